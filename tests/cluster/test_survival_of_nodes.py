"""Nodes that are lost, return, drain and are cut off, and a lost head, on hosts in network namespaces."""

import json
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cyclegan.checkpoint_files.folders import checkpoints
from tests.cluster.cluster_of_hosts import Cluster, running_cluster
from tests.cluster.launch import EVERY, Launch, assert_equal_runs, small_run, wait_for_step
from tests.hosts import can_make_namespaces

pytestmark = [pytest.mark.soak, pytest.mark.skipif(not can_make_namespaces(), reason="network namespaces need root and iproute2")]
STEPS, PATIENCE = 400, 20


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with running_cluster(2) as cluster:
        yield cluster


def arguments(folder: Path, programs: Path, values: Mapping[str, object]) -> list[str]:
    return small_run(folder, programs, {"run.name": "run", "train.steps": STEPS, "cluster.peer_timeout": PATIENCE, **values})


def launched(cluster: Cluster, folder: Path, programs: Path, **values: object) -> Launch:
    """Launch the run on the first host."""
    return Launch(arguments(folder, programs, values), cluster.environment, cluster.hosts[0].prefix)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, programs: Path) -> Path:
    """The same run without hosts."""
    folder = tmp_path_factory.mktemp("undisturbed")
    Launch(arguments(folder, programs, {})).end(0)
    return folder / "runs/run"


def test_fewer_workers_more_again_and_away_from_a_leaving_node(cluster: Cluster, programs: Path, tmp_path: Path) -> None:
    _, second = cluster.hosts
    run = tmp_path / "runs/run"
    with launched(cluster, tmp_path, programs, **{"train.steps": 100_000, "cluster.workers": "[1,2]", "cluster.node_timeout": 5}) as launch:
        launch.workers(2)
        wait_for_step(run, EVERY)
        cluster.nodes[second].kill()
        launch.wait_for(r"continuing with 1 of 2 workers: the nodes have room for 1")
        launch.wait_for("worker 0: process", 2)
        launch.wait_for("recovered in")
        cluster.start(second)
        launch.wait_for("nodes are back: saving a checkpoint and continuing with 2 workers")
        launch.wait_for("worker 1: process", 2)
        (_, again) = launch.wait_for(r"recovered in .*; (\d+) steps to repeat", 2)
        assert again[1] == "0", "a move repeats nothing"
        cluster.drain(second, seconds=300)
        launch.wait_for(f"node {second.address} is draining: saving a checkpoint and leaving it", seconds=30)
        launch.wait_for("continuing with 1 of 2 workers", 2)
        assert launch.wait_for(r"recovered in .*; (\d+) steps to repeat", 3)[2][1] == "0"
        os.kill(launch.process.pid, signal.SIGTERM)
        launch.end(75)
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert steps == list(range(1, len(steps) + 1))


def test_a_node_that_is_cut_off(cluster: Cluster, programs: Path, undisturbed: Path, tmp_path: Path) -> None:
    _, second = cluster.hosts
    with launched(cluster, tmp_path, programs) as launch:
        launch.workers(2)
        wait_for_step(tmp_path / "runs/run", EVERY)
        cluster.cut_off(second, off=True)
        launch.wait_for(r"restarting the workers: ", seconds=PATIENCE + 30)
        cluster.cut_off(second, off=False)
        cluster.nodes[second].kill()  # Ray's head has declared it dead, or will
        cluster.start(second)
        (recovered,) = launch.wait_for(r"recovered in .*; (\d+) steps to repeat")
        assert int(recovered[1]) <= 2 * EVERY
        launch.end(0)
    assert_equal_runs(undisturbed, tmp_path / "runs/run", STEPS)


def test_the_drivers_own_node_drains(cluster: Cluster, programs: Path, tmp_path: Path) -> None:
    first, _ = cluster.hosts
    values = {"train.steps": 100_000, "run.checkpoint_every": 100_000}
    with launched(cluster, tmp_path, programs, **values) as launch:
        launch.workers(2)
        launch.wait_for(r"step [\d,]+/100,000")
        cluster.nodes[first].process.send_signal(signal.SIGTERM)
        output = launch.end(75, seconds=60)
    assert "the node of this command is draining: saving a checkpoint and ending" in output
    assert len(checkpoints(tmp_path / "runs/run/checkpoints")) == 1


def test_the_head_is_lost(cluster: Cluster, programs: Path, undisturbed: Path, tmp_path: Path) -> None:
    with launched(cluster, tmp_path, programs) as launch:
        launch.workers(2)
        wait_for_step(tmp_path / "runs/run", EVERY)
        for host in reversed(cluster.hosts):
            cluster.nodes[host].kill()
        output = launch.end(75, seconds=120)
        assert "error: the head of the Ray cluster does not answer" in output
        for host in cluster.hosts:
            cluster.start(host)
        again = launched(cluster, tmp_path, programs)
        (resumed,) = again.wait_for(r"resuming run run at step (\d+)")
        assert int(resumed[1]) >= EVERY
        again.end(0)
    assert_equal_runs(undisturbed, tmp_path / "runs/run", STEPS)
