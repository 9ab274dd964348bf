"""The entrypoint of a rendered RayJob on a real cluster, whose pods are killed, drained and replaced."""

from pathlib import Path

import pytest

from tests.cluster.launch import SMALL, wait_for_metrics, wait_for_step
from tests.k8s.probes import answer
from tests.k8s.running_overlay import running_overlay

pytestmark = [pytest.mark.process, pytest.mark.timeout(900)]

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


@pytest.mark.soak
def test_a_head_that_is_drained_saves_and_the_next_one_resumes_there(programs: Path) -> None:
    seldom = {**LONGER, "run.checkpoint_every": 1000, "train.steps": 400}
    with running_overlay("kueue", programs, seldom) as cluster:
        with cluster.submit() as submitted:
            wait_for_metrics(cluster.run, 40)
            cluster.terminate("head")
            submitted.wait_for("the node of this command is draining: saving a checkpoint and ending")
        cluster.stop()
        for pod in cluster.pods:
            cluster.start(pod)
        with cluster.submit() as submitted:
            output = submitted.end(0, seconds=500)
        assert "finished: 400 steps" in output and "0 steps repeated" in output


@pytest.mark.soak
def test_an_elastic_run_leaves_a_spot_node_and_takes_another(programs: Path) -> None:
    values = {**LONGER, "run.checkpoint_every": 1000, "train.steps": 600, "cluster.workers": "[1, 2]", "cluster.node_timeout": 5}
    with running_overlay("elastic", programs, values, trainers=2) as cluster, cluster.submit() as submitted:
        going = cluster.pods["trainers-2"].host.address
        wait_for_metrics(cluster.run, 40)
        cluster.terminate("trainers-2")
        submitted.wait_for(f"node {going} is draining: saving a checkpoint and leaving it")
        submitted.wait_for("continuing with 1 of 2 workers: the nodes have room for 1")
        cluster.start("trainers-2")
        submitted.wait_for("nodes are back: saving a checkpoint and continuing with 2 workers")
        output = submitted.end(0, seconds=500)
    assert "finished: 600 steps" in output and "0 steps repeated" in output
