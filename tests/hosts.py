"""Hosts as network namespaces on one bridge, which needs root, or else as loopback addresses."""

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_FIRST = 1 + 50 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))  # tests beside each other have networks of their own
_numbers = itertools.count(_FIRST)


@dataclass(frozen=True)
class Host:
    """An address, in a network namespace of its own if it has a name."""

    name: str
    address: str

    @property
    def prefix(self) -> list[str]:
        """Prefix of a command that runs it on this host."""
        return ["ip", "netns", "exec", self.name] if self.name else []


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def can_make_namespaces() -> bool:
    """Whether this process may make network namespaces: it is root, has the command ip (iproute2), and the system lets it."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        return False
    probe = f"rc{os.getpid()}probe"
    if subprocess.run(["ip", "netns", "add", probe], capture_output=True).returncode:
        return False
    _ip("netns", "del", probe)
    return True


@contextmanager
def running_hosts(count: int) -> Iterator[list[Host]]:
    """Hosts that reach each other: 10.77.N.1, 10.77.N.2 … in namespaces, else 127.0.0.2, 127.0.0.3 … (Ray takes 127.0.0.1 for any).

    The caller stops what runs there.
    """
    if not can_make_namespaces():
        yield [Host("", f"127.0.0.{i + 2}") for i in range(count)]
        return
    number = next(_numbers)
    tag = f"{os.getpid() % 100000}{number}"  # interface names have at most 15 characters
    bridge, hosts = f"rcb{tag}", [Host(f"rc{tag}h{i + 1}", f"10.77.{number}.{i + 1}") for i in range(count)]
    try:
        _ip("link", "add", bridge, "type", "bridge")
        _ip("link", "set", bridge, "up")
        for i, host in enumerate(hosts):
            _ip("netns", "add", host.name)
            _ip("link", "add", f"rcv{tag}{i}", "type", "veth", "peer", "name", "eth0", "netns", host.name)
            _ip("link", "set", f"rcv{tag}{i}", "master", bridge, "up")
            _ip("-n", host.name, "addr", "add", f"{host.address}/24", "dev", "eth0")
            _ip("-n", host.name, "link", "set", "eth0", "up")
            _ip("-n", host.name, "link", "set", "lo", "up")
        yield hosts
    finally:
        for host in hosts:
            subprocess.run(["ip", "netns", "del", host.name], capture_output=True)
        subprocess.run(["ip", "link", "del", bridge], capture_output=True)
