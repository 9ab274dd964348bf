"""Where the actors of a translation run, and with how many CPUs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ray

from cluster.hardware.capacity import ask_nodes, cpus_for_each, usable_nodes
from cluster.hardware.default_workers import default_workers_here
from ringcycle.errors import UserError


@dataclass(frozen=True)
class Seat:
    """A place for an actor: number `index` of `actors` on a node, by its id, with so many CPUs."""

    node: str
    index: int
    actors: int
    cpus: int


def seats(wanted: int, joined: bool) -> list[Seat]:
    """Seats for `wanted` actors on the nodes that are in the cluster now; 0: one for each NUMA node.

    joined: whether this process joined a running cluster, which may have other nodes. Raises UserError if they do not fit.
    """
    nodes = [node for node in usable_nodes() if node["Resources"].get("CPU")]  # a head node may offer no CPUs
    if wanted:
        return spread([(node["NodeID"], int(node["Resources"]["CPU"])) for node in nodes], wanted)
    counts = ask_nodes(_default_workers_here, nodes) if joined else [(node, default_workers_here()) for node in nodes]
    return [seat for node, count in counts for seat in _on(node, count)]


def spread(nodes: Sequence[tuple[str, int]], actors: int) -> list[Seat]:
    """Seats for this many actors with equal numbers of CPUs, as many as possible, on nodes with these ids and CPUs."""
    cpus = cpus_for_each([{"CPU": count} for _, count in nodes], actors, gpu=False)
    if not cpus:
        total = sum(count for _, count in nodes)
        raise UserError(f"--actors = {actors}, but the nodes have {total} CPUs: give {total} or fewer, or add nodes")
    placed = dict.fromkeys((node for node, _ in nodes), 0)
    for _ in range(actors):
        placed[max(nodes, key=lambda node: (node[1] - cpus * placed[node[0]], -placed[node[0]]))[0]] += 1
    return [Seat(node, index, count, cpus) for node, count in placed.items() for index in range(count)]


def _on(node: dict[str, Any], count: int) -> list[Seat]:
    cpus = int(node["Resources"]["CPU"])
    actors = min(count, cpus)
    return [Seat(node["NodeID"], index, actors, cpus // actors) for index in range(actors)]


_default_workers_here = ray.remote(num_cpus=0)(default_workers_here)
