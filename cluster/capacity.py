"""How the CPUs of a cluster are dealt to workers, and for how many there is room now."""

from collections.abc import Mapping, Sequence
from typing import Any

import ray
from ray._private.state import state


def cpus_for_each(nodes: Sequence[int], workers: int) -> int:
    """The most CPUs that each of `workers` can have when none is split over nodes; 0 if they do not fit. nodes: CPUs of each."""
    for cpus in range(max(nodes, default=0), 0, -1):
        if sum(node // cpus for node in nodes) >= workers:
            return cpus
    return 0


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
