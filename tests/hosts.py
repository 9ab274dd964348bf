"""Hosts as network namespaces on one bridge: separate addresses and loopbacks, one kernel and file system. Needs root."""

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Host:
    """A namespace and its address on the bridge."""

    name: str
    address: str

    @property
    def prefix(self) -> list[str]:
        """What runs a command on this host."""
        return ["ip", "netns", "exec", self.name]

    def holds(self, pid: int) -> bool:
        """Whether a process lives on this host."""
        mine = os.stat(f"/run/netns/{self.name}")
        return os.path.samestat(mine, os.stat(f"/proc/{pid}/ns/net"))


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def need_namespaces() -> None:
    """Skip, with the reason, where namespaces cannot be made."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    if not shutil.which("ip"):
        pytest.skip("network namespaces need the command ip (package iproute2)")
    probe = f"rc{os.getpid()}probe"
    if subprocess.run(["ip", "netns", "add", probe], capture_output=True).returncode:
        pytest.skip("this system does not let root make network namespaces")
    _ip("netns", "del", probe)


@contextmanager
def running_hosts(count: int) -> Iterator[list[Host]]:
    """Hosts 10.77.N.1, 10.77.N.2 … that reach each other; taken down at the end, with all that runs on them left to the caller."""
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
