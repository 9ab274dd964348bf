"""A question to many nodes at once, of which some may be lost already: Ray believes in a lost node for a while."""

from collections.abc import Sequence
from typing import Any

import ray
from ray.exceptions import NodeDiedError, TaskUnschedulableError, WorkerCrashedError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

NODE_LOST = (TaskUnschedulableError, NodeDiedError, WorkerCrashedError)


def ask_nodes(question: Any, nodes: Sequence[dict[str, Any]], *arguments: Any) -> list[tuple[dict[str, Any], Any]]:
    """Each of `nodes`, as `ray.nodes` describes them, with its answer, in their order; without those that are lost before they answer.

    question: a remote function, called with `arguments`. Raises what it raises.
    """
    asked = [
        question.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(*arguments)
        for node in nodes
    ]
    answered = []
    for node, call in zip(nodes, asked, strict=True):
        try:
            answered.append((node, ray.get(call)))
        except NODE_LOST:
            continue
    return answered
