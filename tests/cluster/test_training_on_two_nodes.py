"""Two hosts: preprocessing and training on both, one is lost and returns, and the run goes on."""

import json
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from PIL import Image

from preprocess.synthetic import write_dataset
from tests.cluster.launch import SMALL, Launch, options, wait_for_step
from tests.hosts import Host, running_hosts
from tests.ray_nodes import Node, clean_environment, free_ports, start_node

pytestmark = pytest.mark.process
STEPS = 100


class Cluster:
    """A head on the first host and a node on each other one, of one CPU each."""

    def __init__(self, hosts: list[Host], folder: Path) -> None:
        self.hosts, self._folder = hosts, folder
        (self._port,) = free_ports(1)
        self.environment = {**clean_environment(), "RAY_ADDRESS": f"{hosts[0].address}:{self._port}"}
        self.nodes: dict[Host, Node] = {}
        for host in hosts:
            self.start(host)

    def start(self, host: Host) -> None:
        """Start the host's node; a node that cannot reach the head yet keeps trying for a while."""
        head = host is self.hosts[0]
        where = ["--head", f"--port={self._port}", "--include-dashboard=false", f"--temp-dir={self._folder / 'ray'}"]
        options = [
            *(where if head else [f"--address={self.environment['RAY_ADDRESS']}"]),
            "--num-cpus=1",
            f"--node-ip-address={host.address}",
            f"--dashboard-agent-listen-port={free_ports(1)[0]}",
        ]
        log = self._folder / f"{host.address}-{time.monotonic_ns()}.log"
        self.nodes[host] = start_node(log, self.environment, options, host.prefix)

    def stop(self) -> None:
        """End all nodes, the head last."""
        for node in reversed(self.nodes.values()):
            node.kill()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with ExitStack() as stack:
        hosts = stack.enter_context(running_hosts(2))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="rc"))  # short: Unix sockets have 107 bytes
        cluster = Cluster(hosts, Path(folder))
        stack.callback(cluster.stop)
        yield cluster


def write_pictures(source: Path, count: int = 100) -> None:
    """Large pictures, so that building takes longer than starting an actor on the other host; drawn once, then linked."""
    write_dataset(source.with_name("small"), pictures=2, test=1)
    for split in ("trainA", "trainB"):
        (source / split).mkdir(parents=True)
        large = source.with_name(f"{split}.png")
        Image.open(source.with_name("small") / split / "00000.jpg").resize((1500, 1500)).save(large)
        for number in range(count):
            (source / split / f"{number:03d}.png").hardlink_to(large)


def test_a_node_is_lost_and_returns(cluster: Cluster, programs: Path, tmp_path: Path) -> None:
    source, run = tmp_path / "pictures", tmp_path / "runs/two"
    write_pictures(source)
    here = {"data.source": source, "run.storage": tmp_path / "runs", "run.name": "two", "cluster.compile_cache": programs}
    length = {"train.steps": STEPS, "run.checkpoint_every": 20, "run.keep": 100, "data.shard_mb": 0.2}
    arguments = options({**SMALL, **here, **length, "cluster.workers": 2, "cluster.peer_timeout": 30})
    first, second = cluster.hosts
    launch = Launch(arguments, cluster.environment, first.prefix)
    try:
        workers = launch.workers(2)
        assert {worker[3] for worker in workers} == {first.address, second.address}
        for worker in workers:
            node = cluster.nodes[first if worker[3] == first.address else second]
            assert node.holds(int(worker[2]))
            assert all(node.holds(int(pid)) for pid in worker[5].split(", ")), "a worker's feed is on its own node"
        (log,) = (tmp_path / "runs/shards").glob("*/build.json")
        assert len(json.loads(log.read_text())["nodes"]) == 2, "build actors ran on both nodes"

        wait_for_step(run, 20)
        cluster.nodes[second].kill()
        time.sleep(5)
        assert launch.process.poll() is None, launch.output
        cluster.start(second)
        resumed = {int(worker[6].replace(",", "")) for worker in launch.workers(2, starts=2)}
        assert len(resumed) == 1
        assert resumed.pop() >= 20
        output = launch.end(0)
        assert re.search(rf"finished: {STEPS} steps", output)
    finally:
        if launch.process.poll() is None:
            launch.kill()
