"""One training on a cluster of several hosts: what the faults break, and how it is repaired."""

import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.cluster_of_hosts import Cluster, running_cluster
from tests.cluster.launch import WORKER, Launch
from tests.hosts import Host

RESTART_SECONDS = 2.0  # between the end of a node and its restart, as an init system waits


class World:
    """A head without CPUs on the first host, where the driver runs, and a node of one CPU on each other one."""

    def __init__(self, cluster: Cluster, arguments: Sequence[str], run: Path) -> None:
        self.cluster, self.run = cluster, run
        self._arguments = arguments
        self._away: dict[Host, float] = {}  # until when a host stays without a node
        self._cut_off: set[Host] = set()
        self.launches: list[Launch] = []

    @property
    def worker_hosts(self) -> list[Host]:
        """All hosts but the head's."""
        return self.cluster.hosts[1:]

    @property
    def launch(self) -> Launch:
        """The newest launch of the training."""
        return self.launches[-1]

    def start_training(self) -> None:
        """Run the training's command, which is the same each time."""
        self.launches.append(Launch(self._arguments, self.cluster.environment, self.cluster.hosts[0].prefix))

    def workers(self) -> list[tuple[str, ...]]:
        """Workers of the newest attempt by rank: rank, process, host, cores, feeds, step, see `launch.WORKER`."""
        newest: dict[int, tuple[str, ...]] = {}
        for line in self.launch.lines:
            if match := WORKER.search(line):
                newest[int(match[1])] = match.groups()
        return [newest[rank] for rank in sorted(newest)]

    def step(self) -> int:
        """The last finished step, 0 before the first."""
        with contextlib.suppress(OSError, IndexError, ValueError):
            return int(json.loads((self.run / "metrics.jsonl").read_text().splitlines()[-1])["step"])
        return 0

    def lose_node(self, host: Host, seconds: float) -> None:
        """SIGKILL all processes of a host's node; it returns after this many seconds."""
        self.cluster.nodes[host].kill()
        self._away[host] = time.monotonic() + seconds

    def lose_cluster(self) -> None:
        """Lose the head and with it the cluster, and start a new one on the same hosts."""
        self.cluster.stop()
        self.cluster.start_all()

    def cut_off(self, host: Host) -> None:
        """Disconnect a host from the network."""
        self._cut_off.add(host)
        self.cluster.cut_off(host, off=True)

    def join(self) -> None:
        """Reconnect all hosts."""
        for host in self._cut_off:
            self.cluster.cut_off(host, off=False)
        self._cut_off.clear()

    def restart_nodes(self) -> None:
        """Restart the nodes that have ended, once their hosts are back, as an init system does."""
        for host in self.worker_hosts:
            if host in self._cut_off or self.cluster.nodes[host].process.poll() is None:
                continue
            if time.monotonic() > self._away.setdefault(host, time.monotonic() + RESTART_SECONDS):
                self.cluster.nodes[host].kill()  # what a raylet that exited by itself has left
                self.cluster.start(host)
                del self._away[host]


@contextmanager
def running_world(arguments: Sequence[str], run: Path, workers: int = 2) -> Iterator[World]:
    """A cluster with a host for each worker, which is removed at the end."""
    with running_cluster(workers + 1, head_cpus=0) as cluster:
        world = World(cluster, arguments, run)
        try:
            yield world
        finally:
            for launch in world.launches:
                launch.close()
