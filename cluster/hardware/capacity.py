"""How the CPUs of a cluster are dealt to workers, and for how many there is room now."""

from collections.abc import Mapping, Sequence
from typing import Any

import ray
from ray._private.state import state


def cpus_for_each(nodes: Sequence[Mapping[str, float]], workers: int, gpu: bool) -> int:
    """The most CPUs that each of `workers` can have when none is split over nodes with these resources; 0 if they do not fit."""
    most = max((int(node.get("CPU", 0)) for node in nodes), default=0)
    return next((cpus for cpus in range(most, 0, -1) if room(nodes, cpus, gpu) >= workers), 0)


def room(nodes: Sequence[Mapping[str, float]], cpus: int, gpu: bool) -> int:
    """Workers of `cpus` CPUs, and a GPU each if `gpu`, that nodes with these resources hold."""
    return sum(min(int(n.get("CPU", 0)) // cpus, int(n.get("GPU", 0)) if gpu else 1 << 30) for n in nodes)


def usable_nodes() -> list[dict[str, Any]]:
    """Nodes of the cluster that are alive and not about to leave, as `ray.nodes` describes them."""
    leaving = draining()
    return [node for node in ray.nodes() if node["Alive"] and node["NodeID"] not in leaving]


def draining() -> dict[str, int]:
    """Ids of nodes that are being drained, by `ray drain-node`, an autoscaler or a cloud's notice, with their deadlines."""
    nodes: dict[str, int] = state.get_draining_nodes()
    return nodes
