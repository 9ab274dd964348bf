"""Verdicts on the cluster, its token and the workers' places."""

import pytest
import ray

from cluster.diagnosis.finding import Verdict
from cluster.diagnosis.ray_setup import cluster, default_count, placed, token, workers
from cluster.load_config import load_config
from tests.cluster.diagnosis.facts import facts, node

A, B = node(1), node(2, cpus=6)


def test_the_cluster() -> None:
    assert cluster([A, B], True, 0).text == "a running Ray cluster: 2 nodes with 14 CPUs"
    assert cluster([node(1, 8, 2)], False, 0).text == "Ray, started here for these checks: 1 node with 8 CPUs and 2 GPUs"
    leaving = cluster([A], True, 1)
    assert leaving.verdict is Verdict.WARNING and "1 being drained" in leaving.text and leaving.cure


@pytest.mark.parametrize(
    ("open_to_all", "joined", "tls", "verdict"),
    [
        (None, False, False, Verdict.OK),
        (False, True, False, Verdict.OK),
        (None, True, True, Verdict.OK),
        (True, True, False, Verdict.WARNING),
        (None, True, False, Verdict.WARNING),
    ],
)
def test_the_token(open_to_all: bool | None, joined: bool, tls: bool, verdict: Verdict) -> None:
    finding = token(open_to_all, joined, tls)
    assert finding.verdict is verdict and bool(finding.cure) is (verdict is not Verdict.OK)


def test_workers_that_fit_and_those_that_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True, "Resources": {"CPU": n.cpus}} for n in (A, B)])
    finding, placement = workers(load_config(["--cluster.workers", "2", "--train.batch", "3"], {}), [A, B], True, False)
    assert (finding.verdict, finding.text) == (Verdict.OK, "2 workers with 6 CPUs each; a step takes 6 of the images of each domain")
    assert (placement.workers, placement.cpus) == ({A: 1, B: 1}, 6)
    finding, placement = workers(load_config(["--cluster.workers", "20"], {}), [A, B], True, False)
    assert finding.verdict is Verdict.PROBLEM and finding.cure == "use 14 or fewer, or add nodes" and placement.cpus == 0
    assert finding.fact == "cluster.workers = 20 with 1 CPU each, but the cluster has 2 node(s) with [8, 6] CPUs"


def test_places() -> None:
    assert placed([A, B], 3, 3, False) == {A: 2, B: 1}
    assert placed([node(1, 8, 1), node(2, 8, 4)], 3, 2, True) == {node(1, 8, 1): 1, node(2, 8, 4): 2}


def test_the_default_number_of_workers() -> None:
    found = {A: facts(), B: facts(quota=2.0), node(3, cpus=0): facts()}  # 2 NUMA nodes; a quota that fills one; a head without CPUs
    assert default_count(found, gpu=False) == 3
    assert default_count({node(1, 8, 2): facts()}, gpu=True) == 2
    assert default_count({node(1, cpus=0): facts()}, gpu=False) == 1
