"""Preprocessing and training on several hosts, through faults of four kinds: the run ends like the undisturbed one."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from preprocess.synthetic import write_dataset
from tests.chaos.faults import DRIVER_KILLED, FEED_KILLED, NODE_LOST, WORKER_KILLED, Planned
from tests.chaos.runner import disturb
from tests.chaos.world import World, running_world
from tests.cluster.conftest import STEPS, WORKERS
from tests.cluster.launch import assert_equal_runs, options
from tests.ray_nodes import ROOT

pytestmark = pytest.mark.soak
FAULTS = [Planned(WORKER_KILLED, 25), Planned(FEED_KILLED, 5), Planned(NODE_LOST, 10), Planned(DRIVER_KILLED, 10), Planned(FEED_KILLED, 5)]


def test_faults_on_several_hosts(undisturbed: Path, arguments: list[str], storage: Path, tmp_path: Path) -> None:
    run = storage / "hosts"
    with running_world([*arguments, *options({"run.name": "hosts", "cluster.peer_timeout": 15})], run, WORKERS) as world:
        check_build(world, tmp_path)
        world.start_training()
        check_placement(world)
        chaos = disturb(world, FAULTS, seed=0, patience=300, report=print)
        attempts = [sum("ready at step" in line for line in launch.lines) // WORKERS for launch in world.launches]
        output = world.launch.output
    assert [one.fault for one in chaos.survived] == [planned.fault.name for planned in FAULTS]
    assert attempts == [3, 1], "a dead feed starts no new attempt, each other fault does"
    assert re.findall(r"cache hits (\d), misses (\d)", output) == [("4", "0")] * WORKERS
    assert [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()] == list(range(1, STEPS + 1))
    assert all(one.repeated <= 2 * 20 for one in chaos.survived), "at most the steps between three checkpoints"
    assert_equal_runs(undisturbed, run, STEPS)


def check_build(world: World, folder: Path) -> None:
    """Build actors run on all nodes. The images are large, so that building takes longer than starting actors on another host."""
    write_dataset(folder / "small", images=2, test=1)
    for split in ("trainA", "trainB"):
        (folder / "source" / split).mkdir(parents=True)
        large = folder / f"{split}.png"
        Image.open(folder / "small" / split / "00000.jpg").resize((1500, 1500)).save(large)
        for number in range(100):
            (folder / "source" / split / f"{number:03d}.png").hardlink_to(large)
    build = [sys.executable, "-m", "preprocess.build", str(folder / "source"), str(folder / "shards"), "--shard-mb", "0.2"]
    subprocess.run([*world.cluster.hosts[0].prefix, *build], cwd=ROOT, env=world.cluster.environment, check=True, timeout=240)
    (log,) = folder.glob("shards/**/build.json")
    assert len(json.loads(log.read_text())["nodes"]) == WORKERS


def check_placement(world: World) -> None:
    """There is a worker on each node, and its feed with it."""
    workers = world.launch.workers(WORKERS)
    assert {worker[3] for worker in workers} == {host.address for host in world.worker_hosts}
    for worker in workers:
        (host,) = (host for host in world.worker_hosts if host.address == worker[3])
        assert world.cluster.nodes[host].holds(int(worker[2]))
        assert all(world.cluster.nodes[host].holds(int(pid)) for pid in worker[5].split(", ")), "a worker's feed is on its own node"
