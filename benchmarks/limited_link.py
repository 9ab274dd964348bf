"""Two network namespaces with a link of limited rate between them; needs root."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

ADDRESSES = ("10.78.0.1", "10.78.0.2")


def available() -> bool:
    """Whether this process may create namespaces and limit links."""
    return os.geteuid() == 0 and bool(shutil.which("ip")) and bool(shutil.which("tc"))


@contextmanager
def limited_link(rate: str) -> Iterator[list[list[str]]]:
    """The prefixes that run a command at each end, at one of ADDRESSES. rate: in the syntax of `tc`, such as 1gbit."""
    names = [f"rcl{os.getpid()}{end}" for end in "ab"]
    try:
        for name in names:
            _run("ip", "netns", "add", name)
        _run("ip", "-n", names[0], "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", names[1])
        for name, address in zip(names, ADDRESSES, strict=True):
            _run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                _run("ip", "-n", name, "link", "set", device, "up")
            shape = ["tbf", "rate", rate, "burst", "512k", "latency", "100ms"]
            _run("ip", "netns", "exec", name, "tc", "qdisc", "add", "dev", "eth0", "root", *shape)
        yield [["ip", "netns", "exec", name] for name in names]
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
