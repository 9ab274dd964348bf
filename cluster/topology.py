"""Which cores this process may use, and how the workers of a node share them."""

import os
import threading
from collections.abc import Iterable, Sequence
from math import floor
from pathlib import Path


def worker_cores(allowed: Iterable[int], index: int, workers: int, cpus: int, root: Path = Path("/")) -> list[int]:
    """The logical CPUs that worker `index` of `workers` on this node computes on: a disjoint share of the physical cores.

    allowed: from `os.sched_getaffinity`. cpus: logical CPUs that Ray gave the worker, which bound its share: a CPU that Ray
    was not given stays free for others. root: where /sys lies; a recorded tree in tests.
    """
    mine = set(allowed)
    threads = len(mine) // len(_first_threads(mine, root))
    return share_of(usable_cores(mine, root), index, workers)[: max(1, cpus // threads)]


def usable_cores(allowed: Iterable[int], root: Path = Path("/")) -> list[int]:
    """One hyperthread of each allowed physical core, socket by socket; at most as many as the cgroup's quota of processor time."""
    cores = _first_threads(set(allowed), root)
    cores.sort(key=lambda cpu: (_socket(cpu, root), cpu))  # numbering often alternates between sockets; neighbours shall share one
    quota = _cgroup_quota(root)
    return cores if quota is None else cores[: max(1, floor(quota))]


def share_of(cores: Sequence[int], index: int, workers: int) -> list[int]:
    """The cores of worker `index` of `workers`: equal, adjacent and disjoint shares; with fewer cores than workers, they take turns."""
    if workers > len(cores):
        return [cores[index % len(cores)]]
    each = len(cores) // workers
    return list(cores[index * each : (index + 1) * each])


def pin_process(cores: Iterable[int]) -> None:
    """Bind all threads of this process, and so all that they start later, to `cores`."""
    for task in list(Path("/proc/self/task").iterdir()):
        try:
            os.sched_setaffinity(int(task.name), cores)
        except ProcessLookupError:  # it ended meanwhile
            continue
    os.sched_setaffinity(threading.get_native_id(), cores)


def _first_threads(allowed: set[int], root: Path) -> list[int]:
    return [cpu for cpu in allowed if cpu == _first_allowed_sibling(cpu, allowed, root)]


def _socket(cpu: int, root: Path) -> int:
    path = root / f"sys/devices/system/cpu/cpu{cpu}/topology/physical_package_id"
    return int(path.read_text()) if path.is_file() else 0


def _first_allowed_sibling(cpu: int, allowed: set[int], root: Path) -> int:
    path = root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
    siblings = _parse_cpu_list(path.read_text()) if path.is_file() else [cpu]
    return min((s for s in siblings if s in allowed), default=cpu)


def _parse_cpu_list(text: str) -> list[int]:
    result: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        result += range(int(first), int(last or first) + 1)
    return result


def _cgroup_quota(root: Path) -> float | None:
    """CPUs' worth of time that the cgroup grants (version 2, then 1), or None without a limit."""
    v2 = root / "sys/fs/cgroup/cpu.max"
    if v2.is_file():
        quota, period = v2.read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    v1 = root / "sys/fs/cgroup/cpu"
    if (v1 / "cpu.cfs_quota_us").is_file():
        quota_us = int((v1 / "cpu.cfs_quota_us").read_text())
        return None if quota_us <= 0 else quota_us / int((v1 / "cpu.cfs_period_us").read_text())
    return None
