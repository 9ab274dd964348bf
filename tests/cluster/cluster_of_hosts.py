"""A Ray cluster on the hosts of `tests.hosts`, whose nodes come and go, and are cut off."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.hosts import Host, running_hosts
from tests.ray_nodes import RAY, Node, clean_environment, free_ports, start_node

START_SECONDS = 60.0


class Cluster:
    """A head of `head_cpus` CPUs on the first host and a node of one CPU on each other one. variables: of the nodes and of commands.

    last: what runs the command of the last host's node, after the host's prefix.
    """

    def __init__(self, hosts: list[Host], folder: Path, head_cpus: int, variables: Mapping[str, str], last: Sequence[str] = ()) -> None:
        self.hosts, self._folder, self._head_cpus, self._last = hosts, folder, head_cpus, last
        (self._port,) = free_ports(1)
        self.environment = {**clean_environment(), **variables, "RAY_ADDRESS": f"{hosts[0].address}:{self._port}"}
        self.nodes: dict[Host, Node] = {}

    def start_all(self) -> None:
        """Start each host's node, the head first."""
        for host in self.hosts:
            self.start(host)

    def start(self, host: Host) -> None:
        """Start the host's node and wait for it: two that start at once would take the same names in their common folder."""
        head = host is self.hosts[0]
        where = ["--head", f"--port={self._port}", "--include-dashboard=false", f"--temp-dir={self._folder / 'ray'}"]
        options = [
            *(where if head else [f"--address={self.environment['RAY_ADDRESS']}"]),
            f"--num-cpus={self._head_cpus if head else 1}",
            f"--node-ip-address={host.address}",
            f"--dashboard-agent-listen-port={free_ports(1)[0]}",
        ]
        log = self._folder / f"{host.address}-{time.monotonic_ns()}.log"
        prefix = [*host.prefix, *(self._last if host is self.hosts[-1] else ())]
        node = self.nodes[host] = start_node(log, self.environment, options, prefix)
        deadline = time.monotonic() + START_SECONDS
        while "Ray runtime started" not in log.read_text():
            if node.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the node of {host.address} did not start:\n{log.read_text()}")
            time.sleep(0.1)

    def cut_off(self, host: Host, off: bool) -> None:
        """Take the host's link down, or up again: its processes live on without a network."""
        subprocess.run(["ip", "-n", host.name, "link", "set", "eth0", "down" if off else "up"], check=True)

    def drain(self, host: Host, seconds: int) -> None:
        """Announce that a host's node is about to leave, as a cloud does."""
        nodes = "(n['NodeManagerAddress'] + ' ' + n['NodeID'] for n in ray.nodes() if n['Alive'])"
        listing = f"import ray; ray.init(log_to_driver=False); print(*{nodes}, sep='\\n')"
        ids = dict(line.split() for line in self._on_head(sys.executable, "-c", listing).splitlines() if line.count(" ") == 1)
        reason = ["--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "test", "--deadline-remaining-seconds", str(seconds)]
        self._on_head(RAY, "drain-node", "--address", self.environment["RAY_ADDRESS"], "--node-id", ids[host.address], *reason)

    def _on_head(self, *command: str) -> str:
        done = subprocess.run([*self.hosts[0].prefix, *command], env=self.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def stop(self) -> None:
        """End all nodes, the head last."""
        for node in reversed(self.nodes.values()):
            node.kill()


@contextmanager
def running_cluster(
    hosts: int, head_cpus: int = 1, variables: Mapping[str, str] = MappingProxyType({}), last: Sequence[str] = ()
) -> Iterator[Cluster]:
    """A cluster on this many hosts, as `Cluster` describes it, which is stopped at the end."""
    with ExitStack() as stack:
        made = stack.enter_context(running_hosts(hosts))
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="rc", ignore_cleanup_errors=True)
        )  # short: Unix sockets have 107 bytes
        cluster = Cluster(made, Path(folder), head_cpus, variables, last)
        stack.callback(cluster.stop)
        cluster.start_all()
        yield cluster
