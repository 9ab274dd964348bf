"""Time and memory of a training, from a calibration or without one."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cluster.calibration.record import Measured, remember
from cluster.calibration.search import Candidate, Trial
from cluster.config import Config
from cluster.diagnosis.finding import Verdict
from cluster.diagnosis.images import Images
from cluster.diagnosis.prediction import NodeNeed, look_up, memory_needed, time_needed
from cluster.hardware.cgroup import cpu_quota
from cluster.hardware.cpu_tree import read_cores
from cluster.hardware.topology import largest_share
from cluster.load_config import load_config
from cyclegan.config import ImageFormat
from tests.cluster.diagnosis.facts import GIB, node

FORMAT = ImageFormat()
FAST = Measured(seconds=2.0, compile_seconds=30.0, memory=3 * GIB, peak=5 * GIB, at=datetime(2026, 11, 26, tzinfo=UTC))
SLOW = FAST.model_copy(update={"seconds": 3.0})


def need(number: int, measured: Measured | None, workers: int = 1, available: int = 60 * GIB) -> NodeNeed:
    return NodeNeed(node(number), workers, available, measured)


def test_what_calibrate_measured_here_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cores = read_cores(os.sched_getaffinity(0))
    share, cpus = largest_share(cores, cpu_quota(), 1)
    candidate = Candidate(1, len(share.compute), "auto", "float32", 1, "float32")  # as calibrate makes the first one
    remember(Trial(candidate, FAST.figures), Config(), FORMAT)
    found = look_up(Config(), FORMAT, 1, cpus)
    assert found is not None and found.figures == FAST.figures
    assert look_up(Config(), FORMAT, 1, sum(len(core.threads) for core in cores)) == found
    assert look_up(Config(), FORMAT, 2, cpus) is None


def test_the_slowest_node_sets_the_pace() -> None:
    config = load_config(["--train.epochs", "10"], {}).with_workers(2)
    finding = time_needed(config, Images(FORMAT, 1000), [need(1, FAST), need(2, SLOW)], 0.5)
    # 5,000 steps of 3.5 s, and 30 s of compiling.
    assert finding.text == (
        "4:52:10 for 5,000 steps of 2 images: 3.50 s a step, 0.50 s of it between nodes (by cluster.calibrate on 2026-11-26)"
    )
    assert finding.verdict is Verdict.OK


def test_without_a_measurement_the_command_that_makes_one_is_named() -> None:
    for needed in ([need(1, None)], [need(1, FAST), need(2, None)], []):
        finding = time_needed(load_config(["--train.steps", "7"], {}), Images(FORMAT), needed, 0.0)
        assert finding.verdict is Verdict.OK
        assert finding.text.startswith("7 steps of 1 image; how long one takes is not known yet: ")
        assert "`python -m cluster.calibrate` with the same options" in finding.text
    assert "assuming 1,000 images per epoch" in time_needed(Config(), Images(FORMAT), [need(1, FAST)], 0.0).text


def test_memory() -> None:
    (finding,) = memory_needed(Config(), FORMAT, [need(1, FAST, workers=2)])
    assert (finding.verdict, finding.text) == (
        Verdict.OK,
        "2 workers of 3.0 GiB take 8.0 GiB while one compiles; 60.0 GiB available",
    )
    (finding,) = memory_needed(Config(), FORMAT, [need(1, FAST, workers=2, available=7 * GIB)])
    assert finding.verdict is Verdict.PROBLEM and "model.remat" in finding.cure and finding.nodes == ("10.0.0.1",)


def test_memory_without_a_measurement_is_at_least_what_is_kept() -> None:
    (finding,) = memory_needed(Config(), FORMAT, [need(1, None)])
    assert (finding.verdict, finding.text) == (
        Verdict.OK,
        "1 worker keeps 485 MiB of weights, moments and image pools, beside what computing takes; 60.0 GiB available",
    )
    (finding,) = memory_needed(Config(), FORMAT, [need(1, None, available=GIB // 4)])
    assert finding.verdict is Verdict.PROBLEM
