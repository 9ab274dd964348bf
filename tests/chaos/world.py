"""A cluster of several hosts and one training on it: what the faults break, and what mends them."""

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.cluster.launch import WORKER, Launch
from tests.hosts import Host, running_hosts
from tests.ray_nodes import Node, clean_environment, free_ports, start_node

START_SECONDS = 60.0
MADE_AGAIN_SECONDS = 2.0  # between a node's end and its next start, as an init system waits


class World:
    """A head without CPUs on the first host, where the driver runs, and a node of one CPU on each other one."""

    def __init__(self, hosts: Sequence[Host], folder: Path, arguments: Sequence[str], run: Path) -> None:
        self.hosts, self.run = hosts, run
        self._folder, self._arguments = folder, arguments
        (self._port,) = free_ports(1)
        self.environment = {**clean_environment(), "RAY_ADDRESS": f"{hosts[0].address}:{self._port}"}
        self.nodes: dict[Host, Node] = {}
        self._away: dict[Host, float] = {}  # until when a host stays without a node
        self.launches: list[Launch] = []

    @property
    def launch(self) -> Launch:
        """The newest launch of the training."""
        return self.launches[-1]

    def start_nodes(self) -> None:
        """Start each host's node, one after the other: they share a folder, in which two at once would take the same names."""
        for host in self.hosts:
            self._start_node(host)
            deadline = time.monotonic() + START_SECONDS
            while "Ray runtime started" not in self.nodes[host].log.read_text() and time.monotonic() < deadline:
                time.sleep(0.1)

    def start_training(self) -> None:
        """The same command each time."""
        self.launches.append(Launch(self._arguments, self.environment, self.hosts[0].prefix))

    def workers(self) -> list[tuple[str, ...]]:
        """Of the newest group, in the order of ranks: rank, process, host, cores, feeds, step, by `launch.WORKER`."""
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
        """SIGKILL to all of a host's node; it returns after so many seconds."""
        self.nodes[host].kill()
        self._away[host] = time.monotonic() + seconds

    def lose_cluster(self) -> None:
        """The head is lost, and with it the cluster: a new one is made of the same hosts."""
        for host in self.hosts:
            self.nodes[host].kill()
        self.start_nodes()

    def link(self, host: Host, state: str) -> None:
        """Take a host from the network ("down") or back ("up")."""
        subprocess.run(["ip", "-n", host.name, "link", "set", "eth0", state], check=True, capture_output=True)

    def mend(self) -> None:
        """Start again what has ended: nodes, as an init system does, once they are back, and the training, as its scheduler does."""
        for host in self.hosts[1:]:
            if self.nodes[host].process.poll() is not None:
                back = self._away.setdefault(host, time.monotonic() + MADE_AGAIN_SECONDS)
                if time.monotonic() > back:
                    self.nodes[host].kill()  # what a raylet that ended by itself has left
                    self._start_node(host)
                    del self._away[host]

    def close(self) -> None:
        """End all of it, the head last."""
        for launch in self.launches:
            if launch.process.poll() is None:
                launch.kill()
        for node in reversed(self.nodes.values()):
            node.kill()

    def _start_node(self, host: Host) -> None:
        head = host is self.hosts[0]
        options = [
            *(["--head", f"--port={self._port}", "--include-dashboard=false", f"--temp-dir={self._folder / 'ray'}"] if head else []),
            *([] if head else [f"--address={self.environment['RAY_ADDRESS']}"]),
            f"--num-cpus={0 if head else 1}",
            f"--node-ip-address={host.address}",
            f"--dashboard-agent-listen-port={free_ports(1)[0]}",
        ]
        log = self._folder / f"{host.address}-{time.monotonic_ns()}.log"
        self.nodes[host] = start_node(log, self.environment, options, host.prefix)


@contextmanager
def running_world(arguments: Sequence[str], run: Path, workers: int = 2) -> Iterator[World]:
    """A cluster with a host for each worker; nothing of it is left at the end."""
    with ExitStack() as stack:
        hosts = stack.enter_context(running_hosts(workers + 1))
        folder = stack.enter_context(TemporaryDirectory(prefix="rc", ignore_cleanup_errors=True))  # short: Unix sockets have 107 bytes
        world = World(hosts, Path(folder), arguments, run)
        stack.callback(world.close)
        world.start_nodes()
        yield world
