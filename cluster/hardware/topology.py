"""How the workers of a node share its cores: which cores compute, and which serve the feed and the network."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from math import floor
from typing import TypeVar

from cluster.hardware.cpu_tree import Core

SPARE_FROM = 8  # cores without hyperthreads, from which one is spared for feed and network: at most an eighth of the computing
T = TypeVar("T")


@dataclass(frozen=True)
class Share:
    """What one worker gets of its node, in logical CPUs and NUMA nodes.

    compute: one thread of each of its physical cores. service: where its feed and network run. numa: of the cores that compute.
    """

    compute: tuple[int, ...]
    service: tuple[int, ...]
    numa: tuple[int, ...]


def share_of_worker(cores: Sequence[Core], quota: float | None, index: int, workers: int, cpus: int) -> Share:
    """The share of worker `index` of `workers` on this node: disjoint, and within one NUMA node where that costs no worker a core.

    cores: all of the node, sorted as by `read_cores`. quota: CPUs' worth of time that the cgroup grants all workers together.
    cpus: what Ray gave the worker; CPUs that Ray does not manage stay free for others. Under a quota, cpus counts time, not hyperthreads.
    """
    mine = _cores_of(cores, index, workers)
    if quota is not None and quota < sum(len(core.threads) for core in cores):
        computing = mine[: max(1, min(cpus, floor(quota / workers)))]
        idle = mine[len(computing) :]
    else:
        computing = mine[: max(1, sum(threads <= cpus for threads in accumulate(len(core.threads) for core in mine)))]
        idle = []
    service = [thread for core in computing for thread in core.threads[1:]] or [core.threads[0] for core in idle]
    if not service and len(computing) >= SPARE_FROM:
        service = [computing.pop().threads[0]]
    compute = tuple(core.threads[0] for core in computing)
    return Share(compute, tuple(service) or compute, tuple(sorted({core.numa for core in computing})))


def largest_share(cores: Sequence[Core], quota: float | None, workers: int) -> tuple[Share, int]:
    """The largest share that the first of `workers` on this node can get, and the fewest CPUs from Ray that give it."""
    logical = sum(len(core.threads) for core in cores)
    shares = [share_of_worker(cores, quota, 0, workers, cpus) for cpus in range(1, max(1, logical // workers) + 1)]
    return shares[-1], 1 + shares.index(shares[-1])


def workers_of_node(cores: Sequence[Core], quota: float | None) -> int:
    """The default number of workers of a node: one for each NUMA node, as far as the quota fills their cores."""
    nodes = len({core.numa for core in cores})
    return nodes if quota is None else max(1, min(nodes, floor(quota) * nodes // len(cores)))


def share_of(things: Sequence[T], index: int, workers: int) -> list[T]:
    """Worker `index`'s share of `things`: equal, adjacent, disjoint shares for all `workers`, which take turns if there are too few."""
    if workers > len(things):
        return [things[index % len(things)]]
    each = len(things) // workers
    return list(things[index * each : (index + 1) * each])


def _cores_of(cores: Sequence[Core], index: int, workers: int) -> list[Core]:
    nodes = [list(node) for _, node in groupby(cores, key=lambda core: (core.socket, core.numa))]
    each, rest = divmod(workers, len(nodes))
    if rest == 0 and min(map(len, nodes)) // each >= len(cores) // workers:
        return share_of(nodes[index // each], index % each, each)
    return share_of(cores, index, workers)
