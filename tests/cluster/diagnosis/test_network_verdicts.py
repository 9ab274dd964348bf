"""Verdicts on links and clocks."""

import pytest

from cluster.calibration.scale_out import exchanged_bytes
from cluster.config import Config
from cluster.diagnosis.finding import Verdict
from cluster.diagnosis.link_probe import Pinged, Sent
from cluster.diagnosis.network import ring
from cluster.diagnosis.network_verdicts import clock_offsets, clocks, exchange_seconds, links
from cluster.load_config import load_config
from cyclegan.config import ImageFormat
from tests.cluster.diagnosis.facts import node

A, B, C = node(1), node(2), node(3)
GOOD, FAST = Pinged(0.0002, 0.0), Sent(10**9, 1.0)


def test_a_ring_reaches_every_node() -> None:
    assert ring([A, B, C]) == [(A, B), (B, C), (C, A)]
    assert ring([A, B]) == [(A, B), (B, A)]
    assert ring([A]) == []


def test_a_good_link() -> None:
    (finding,) = links({(A, B): GOOD}, {(A, B): FAST}, 100 * 2**20, 2)
    assert finding.verdict is Verdict.OK and finding.nodes == ("10.0.0.1",)
    assert finding.text == "1,000 MB/s to the next node, round trip 0.20 ms; a step's 100 MiB of gradients take 0.10 s or more"


@pytest.mark.parametrize(("ping", "sent"), [(Pinged(0.006, 0.0), FAST), (GOOD, Sent(117 * 10**6, 1.0))])
def test_a_slow_link(ping: Pinged, sent: Sent) -> None:
    (finding,) = links({(A, B): ping}, {(A, B): sent}, 100 * 10**6, 2)
    assert finding.verdict is Verdict.WARNING and "cluster.allreduce_dtype" in finding.cure


def test_a_slow_link_that_carries_little() -> None:
    (finding,) = links({(A, B): GOOD}, {(A, B): Sent(20 * 10**6, 1.0)}, 3 * 10**6, 2)
    assert finding.verdict is Verdict.OK


def test_a_link_that_is_closed() -> None:
    pinged = {(A, B): Pinged(0, 0, "connection refused"), (B, A): GOOD}
    first, second = links(pinged, {(B, A): Sent(0, 0.0, "no answer")}, 1, 2)
    assert (first.verdict, first.text) == (Verdict.PROBLEM, "cannot reach 10.0.0.2 (connection refused)")
    assert (second.verdict, second.text) == (Verdict.PROBLEM, "cannot reach 10.0.0.1 (no answer)")
    assert "open all TCP ports" in first.cure


def test_clocks_are_compared_along_the_ring() -> None:
    pinged = {(A, B): Pinged(0.001, 2.0), (B, C): Pinged(0.001, 3.0), (C, A): Pinged(0, 0, "no answer")}
    assert clock_offsets(pinged, A) == {A: 0.0, B: 2.0, C: 5.0}
    backwards = {(B, A): Pinged(0.001, -2.0)}
    assert clock_offsets(backwards, A) == {A: 0.0, B: 2.0}
    assert clock_offsets({(A, B): Pinged(0, 0, "no answer")}, A) == {A: 0.0}


def test_skew() -> None:
    (finding,) = clocks({(A, B): Pinged(0.001, 0.02)}, A, "runs")
    assert (finding.verdict, finding.text) == (Verdict.OK, "within 20 ms of 10.0.0.1")
    (finding,) = clocks({(A, B): Pinged(0.001, -30.0)}, A, "runs")
    assert (finding.verdict, finding.nodes) == (Verdict.WARNING, ("10.0.0.2",))
    assert finding.text == "the clock is 30 s behind that of 10.0.0.1: lines of logs and event files get out of order"
    assert clocks({(A, B): Pinged(0.001, 1000.0)}, A, "runs")[0].verdict is Verdict.WARNING
    (finding,) = clocks({(A, B): Pinged(0.001, 1000.0)}, A, "s3://bucket/runs")
    assert finding.verdict is Verdict.PROBLEM and "would refuse" in finding.text
    assert clocks({(A, B): Pinged(0, 0, "no answer")}, A, "runs") == []


def test_what_a_step_exchanges() -> None:
    size = exchanged_bytes(Config(), ImageFormat())
    assert size == pytest.approx(4 * (2 * 11.4e6 + 2 * 2.8e6), rel=0.01)  # ResNet-9 and 70×70 patches, both directions
    assert exchanged_bytes(load_config(["--cluster.allreduce_dtype", "bfloat16"], {}), ImageFormat()) == size // 2
    assert exchange_seconds(100, 4, 50.0) == 3.0
