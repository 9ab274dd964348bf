"""Binds this process: its threads to cores, its memory to a NUMA node."""

import ctypes
import os
import platform
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cluster.hardware.cgroup import cpu_quota
from cluster.hardware.cpu_tree import read_cores
from cluster.hardware.topology import Share, share_of_worker

TASKS = Path("/proc/self/task")
SET_MEMPOLICY = {"x86_64": 238, "aarch64": 237}  # numbers of the system call
MPOL_PREFERRED = 1
NETWORK = ("grpc", "event_engine", "lifeguard")  # prefixes of the names of gRPC's threads


def bind_process(index: int, workers: int, cpus: int) -> Share:
    """Bind this process to its share of the node, as worker `index` of `workers` with `cpus` CPUs from Ray. Returns the share.

    Must come before TensorFlow's first operation: its thread pools inherit affinity and memory policy from the thread that creates them.
    """
    share = _share(index, workers, cpus)
    bind(share)
    prefer_memory(share.numa)
    return share


def cpus_of_workers(workers: int, cpus: int) -> set[int]:
    """The CPUs on which all `workers` of the node compute, each with `cpus` CPUs from Ray. Call it before this process is bound."""
    return {cpu for index in range(workers) for cpu in _share(index, workers, cpus).compute}


def bind(share: Share) -> None:
    """Bind this thread, and so all that it starts later, to the CPUs that compute, and running threads, such as Ray's, to the others."""
    _pin(lambda _: True, share.service)
    os.sched_setaffinity(threading.get_native_id(), share.compute)


@contextmanager
def unbound(cpus: Iterable[int]) -> Iterator[None]:
    """Let this thread, and all that are bound as it is, run on `cpus`: for work during which the node's other workers wait.

    Threads that serve stay where they are.
    """
    own, wide = os.sched_getaffinity(threading.get_native_id()), set(cpus)
    _pin(lambda task: os.sched_getaffinity(int(task.name)) == own, wide)
    try:
        yield
    finally:
        _pin(lambda task: os.sched_getaffinity(int(task.name)) == wide, own)


def pin_service_threads(cpus: Iterable[int]) -> None:
    """Move gRPC's threads, and so the threads that they start later, to `cpus`. Call it when all of them have run.

    They are known by their names. TensorFlow's own network pollers have none, nor do its intra-op threads, so they stay where it computes.
    """
    _pin(lambda task: (task / "comm").read_text().startswith(NETWORK), cpus)


def prefer_memory(numa: Sequence[int]) -> bool:
    """Prefer memory of the NUMA node that computes, whatever policy the parent had (`numactl --interleave`).

    Applies to this thread and those that it starts later. Several nodes are left to Linux's default: each thread takes memory where it
    runs. Returns whether the policy was set: a container may forbid it, which also leaves the default.
    """
    call = SET_MEMPOLICY.get(platform.machine())
    if len(numa) != 1 or call is None:
        return False
    bits = ctypes.sizeof(ctypes.c_ulong) * 8
    mask = (ctypes.c_ulong * (numa[0] // bits + 1))()
    mask[numa[0] // bits] = 1 << numa[0] % bits
    # One more bit than the mask has: the kernel reads one fewer than this number.
    return bool(ctypes.CDLL(None).syscall(call, MPOL_PREFERRED, mask, ctypes.c_ulong(len(mask) * bits + 1)) == 0)


def _share(index: int, workers: int, cpus: int) -> Share:
    return share_of_worker(read_cores(os.sched_getaffinity(0)), cpu_quota(), index, workers, cpus)


def _pin(chosen: Callable[[Path], bool], cpus: Iterable[int]) -> None:
    for task in list(TASKS.iterdir()):
        try:
            if chosen(task):
                os.sched_setaffinity(int(task.name), cpus)
        except (ProcessLookupError, FileNotFoundError):  # the thread has ended
            continue
