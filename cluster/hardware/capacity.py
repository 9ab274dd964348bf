"""The nodes of the Ray cluster: which are usable, how many workers they hold, and what each answers to a question."""

from collections.abc import Mapping, Sequence
from typing import Any

import ray
from ray._private.state import state
from ray.exceptions import NodeDiedError, TaskUnschedulableError, WorkerCrashedError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

NODE_LOST = (TaskUnschedulableError, NodeDiedError, WorkerCrashedError)


def cpus_for_each(nodes: Sequence[Mapping[str, float]], workers: int, gpu: bool) -> int:
    """The most CPUs that each of `workers` can have on nodes with these resources, none spanning two nodes; 0 if they do not fit."""
    most = max((int(node.get("CPU", 0)) for node in nodes), default=0)
    return next((cpus for cpus in range(most, 0, -1) if room(nodes, cpus, gpu) >= workers), 0)


def room(nodes: Sequence[Mapping[str, float]], cpus: int, gpu: bool) -> int:
    """How many workers of `cpus` CPUs, and a GPU each if `gpu`, fit on nodes with these resources."""
    return sum(min(int(n.get("CPU", 0)) // cpus, int(n.get("GPU", 0)) if gpu else 1 << 30) for n in nodes)


def usable_nodes() -> list[dict[str, Any]]:
    """The nodes that are alive and not being drained, as `ray.nodes` describes them."""
    leaving = draining()
    return [node for node in ray.nodes() if node["Alive"] and node["NodeID"] not in leaving]


def draining() -> dict[str, int]:
    """Ids of the nodes being drained, by `ray drain-node`, an autoscaler or a cloud's notice, with their deadlines."""
    nodes: dict[str, int] = state.get_draining_nodes()
    return nodes


def ask_nodes(question: Any, nodes: Sequence[dict[str, Any]], *arguments: Any) -> list[tuple[dict[str, Any], Any]]:
    """Ask all `nodes`, as `ray.nodes` describes them, at once. Returns each node with its answer, in order.

    question: a remote function, called with `arguments`; what it raises is raised here. A node that is lost before it answers is left out:
    Ray lists lost nodes as alive for a while.
    """
    calls = [
        question.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(*arguments)
        for node in nodes
    ]
    answered = []
    for node, call in zip(nodes, calls, strict=True):
        try:
            answered.append((node, ray.get(call)))
        except NODE_LOST:
            continue
    return answered
