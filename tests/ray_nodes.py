"""Real Ray nodes as child processes of the tests, each with a process group of its own, in any network namespace."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[1]
RAY = str(Path(sys.executable).with_name("ray"))
STORE = f"--object-store-memory={200 * 2**20}"


def free_ports(count: int) -> list[int]:
    """Distinct ports that were free a moment ago."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def clean_environment() -> dict[str, str]:
    """This process's environment without what names another Ray cluster, with a token of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    path = f"{Path(RAY).parent}{os.pathsep}{os.environ['PATH']}"
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    return {**inherited, **token, "PATH": path, "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}


def answer(url: str) -> int:
    """HTTP status of a request without a token, 0 if nothing listens."""
    try:
        with urllib.request.urlopen(url, timeout=15) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@dataclass
class Node:
    """A started `ray start --block`."""

    process: subprocess.Popen[bytes]
    log: Path

    def holds(self, pid: int) -> bool:
        """Whether a process is a descendant of the node."""
        return any(parent.pid == self.process.pid for parent in psutil.Process(pid).parents())

    def kill(self) -> None:
        """SIGKILL the raylet and all that the node started, as a group: `ray stop` would end every cluster on this machine."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)


def start_node(log: Path, environment: Mapping[str, str], options: Sequence[str], prefix: Sequence[str] = (), folder: Path = ROOT) -> Node:
    """Run `ray start --block` with options in `folder`, after a `prefix` such as `ip netns exec h1`."""
    command = [*prefix, RAY, "start", "--block", STORE, "--disable-usage-stats", *options]
    with log.open("wb") as out:
        return Node(subprocess.Popen(command, cwd=folder, env=dict(environment), stdout=out, stderr=out, start_new_session=True), log)


def wait_for(url: str, node: Node, status: int = 200, seconds: float = 120) -> None:
    """Wait until `url` answers with `status`. Fails with the node's log if the node ends before."""
    deadline = time.monotonic() + seconds
    while answer(url) != status:
        if node.process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"a Ray node did not start:\n{node.log.read_text()}")
        time.sleep(0.3)


@dataclass(frozen=True)
class Head:
    """A cluster of one head on loopback. address: for RAY_ADDRESS. dashboard: URL for `ray job`. metrics: URL for Prometheus."""

    address: str
    dashboard: str
    metrics: str
    environment: dict[str, str] = field(repr=False)


@contextmanager
def running_head(folder: Path, cpus: int = 2, environment: Mapping[str, str] | None = None, gpus: int = 0) -> Iterator[Head]:
    """`ray start --head` on free ports. folder: short, since paths of Unix sockets have at most 107 bytes."""
    environment = {**clean_environment(), **(environment or {})}
    gcs, dashboard, client, agent, metrics = free_ports(5)
    ports = [
        f"--port={gcs}",
        f"--dashboard-port={dashboard}",
        f"--ray-client-server-port={client}",
        f"--dashboard-agent-listen-port={agent}",
        f"--metrics-export-port={metrics}",
    ]
    # Ray's temporary folder is inherited by drivers through the cluster's address.
    resources = [f"--num-cpus={cpus}", *([f"--num-gpus={gpus}"] if gpus else [])]
    options = ["--head", *resources, f"--temp-dir={folder / 'ray'}", "--node-ip-address=127.0.0.1", *ports]
    head = start_node(folder / "head.log", environment, options)
    try:
        wait_for(f"http://127.0.0.1:{agent}/api/healthz", head)
        local = "http://127.0.0.1"
        yield Head(f"127.0.0.1:{gcs}", f"{local}:{dashboard}", f"{local}:{metrics}/metrics", dict(environment))
    finally:
        head.kill()
