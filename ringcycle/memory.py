"""How much memory this process may still take: the machine's, or less where a cgroup bounds it, as in a container."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

_UNLIMITED = 2**60  # version 1 states no limit as a number near 2**63


def available_memory(root: Path = Path("/")) -> int:
    """Bytes. root: where /proc and /sys are; a recorded tree in tests.

    The tightest limit applies, of the process's own cgroup and of all above it. Cached files count as free, as the kernel drops them.
    """
    return min([psutil.virtual_memory().available, *(limit.left for limit in _cgroup_limits(root))])


def total_memory(root: Path = Path("/")) -> int:
    """Bytes that this process and those beside it may take in all: the machine's, or the tightest limit of its cgroups."""
    return min([psutil.virtual_memory().total, *(limit.most for limit in _cgroup_limits(root))])


class _Limit(NamedTuple):
    """Bytes that a cgroup may take, and those that it may still take."""

    most: int
    left: int


def _cgroup_limits(root: Path) -> Iterator[_Limit]:
    mount, table = root / "sys/fs/cgroup", root / "proc/self/cgroup"
    for line in table.read_text().splitlines() if table.is_file() else ():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            yield from _limits(mount, path, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            yield from _limits(mount / "memory", path, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def _limits(mount: Path, own: str, limit: str, usage: str, cached: str) -> Iterator[_Limit]:
    """The limit of each cgroup that has one, from `own` up to the mount; a container may see only the top of what is mounted."""
    folder = mount / own.lstrip("/")
    for path in (folder, *folder.parents):
        if not path.is_relative_to(mount):
            return
        try:
            most, used = (path / limit).read_text().strip(), int((path / usage).read_text())
            statistics = dict(line.split() for line in (path / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):  # the root of a hierarchy has no limit; a foreign one no such files
            continue
        if most != "max" and int(most) < _UNLIMITED:
            yield _Limit(int(most), max(0, int(most) - used + int(statistics.get(cached, 0))))
