"""The entrypoint of a rendered RayJob on a real cluster."""

from pathlib import Path

import pytest

from tests.cluster.launch import SMALL, wait_for_step
from tests.k8s.probes import answer
from tests.k8s.running_overlay import running_overlay

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

LENGTH = {"train.steps": 2, "run.checkpoint_every": 1, "run.sample_every": 2, "evaluate.every": 0}
LONGER = {
    **SMALL,
    **LENGTH,
    "train.steps": 150,
    "run.sample_every": 1000,
    "run.checkpoint_every": 10,
    "run.log_every": 1,
    "cluster.workers": 1,
}


@pytest.mark.parametrize(
    ("name", "workers"),
    [("laptop", "1"), *(pytest.param(*one, marks=pytest.mark.soak) for one in (("xeon", "1"), ("elastic", "[1, 2]"), ("kueue", "1")))],
)
def test_the_rendered_entrypoint_trains(name: str, workers: str, programs: Path) -> None:
    short = {"cluster.workers": workers, "cluster.start_timeout": 5, "cluster.node_timeout": 5}  # a range begins with what is there
    with running_overlay(name, programs, {**SMALL, **LENGTH, **short}) as cluster:
        assert answer(cluster.pods["trainers"].host, f"{cluster.dashboard}/api/jobs/") == 401, "submitting must require the token"
        with cluster.submit() as submitted:
            output = submitted.end(0, seconds=500)
        assert f"Job '{cluster.job['metadata']['name']}' succeeded" in output
        assert f"on {cluster.pods['trainers'].host.address}" in output, "the worker is not in the trainers' pod"
        assert any((cluster.run / "checkpoints").iterdir())
        assert any(path.is_file() for path in (cluster.storage / "cache").rglob("*")), "compiled programs are not on the claim"


@pytest.mark.soak
def test_a_killed_pod_is_replaced_and_the_run_ends_well(programs: Path) -> None:
    with running_overlay("kueue", programs, LONGER) as cluster, cluster.submit() as submitted:
        wait_for_step(cluster.run, 20)
        cluster.nodes["trainers"].kill()
        cluster.start("trainers")
        output = submitted.end(0, seconds=500)
        assert "recovered in" in output and "finished: 150 steps" in output
