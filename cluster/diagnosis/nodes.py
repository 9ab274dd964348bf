"""Asks the nodes of the cluster, each in a task of its own, and waits for the answers in bounded time."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.diagnosis.finding import Finding, Verdict
from cluster.hardware.capacity import NODE_LOST, draining, usable_nodes
from cluster.hardware.cgroup import cpu_quota
from ringcycle.errors import UserError

Result = TypeVar("Result")
LEAST_SECONDS = 10.0  # that a node gets to answer


@dataclass(frozen=True)
class Node:
    """A node that may get workers. name: its address, as Ray and the workers reach it. store: bytes of its object store; 0: no Ray."""

    id: str
    name: str
    address: str
    cpus: int
    gpus: int
    store: float


@dataclass(frozen=True)
class NoAnswer:
    """Why a node gave no answer."""

    reason: str


class Nodes(Protocol):
    """All nodes, and how to ask them. Answers come by node, in order."""

    nodes: Sequence[Node]

    def ask_each(self, question: Callable[..., Any], seconds: float, arguments: Mapping[Node, tuple[Any, ...]]) -> dict[Node, Any]:
        """Call `question` on these nodes at once with their arguments. What has no result after `seconds` is a `NoAnswer`."""
        ...


class RayNodes:
    """The nodes of the Ray cluster that are alive and not about to leave, this process's own first.

    A question runs as a task that claims no CPU, so that a busy cluster answers too.
    """

    def __init__(self) -> None:
        self.leaving, own = draining(), ray.get_runtime_context().get_node_id()
        alive = sorted(usable_nodes(), key=lambda node: (node["NodeID"] != own, node["NodeManagerAddress"]))
        addresses = [node["NodeManagerAddress"] for node in alive]
        self.nodes: Sequence[Node] = [_node(node, addresses) for node in alive]

    def ask_each(self, question: Callable[..., Any], seconds: float, arguments: Mapping[Node, tuple[Any, ...]]) -> dict[Node, Any]:
        """As in `Nodes`; tasks that are late are ended."""
        task = ray.remote(num_cpus=0, max_retries=0)(question)
        calls = {node: task.options(**pinned(node)).remote(*given) for node, given in arguments.items()}
        return collect(calls, seconds)


class ThisMachine:
    """This machine alone, where Ray cannot be used: questions run in this process."""

    def __init__(self) -> None:
        logical, quota = len(os.sched_getaffinity(0)), cpu_quota()
        cpus = logical if quota is None else max(1, min(logical, int(quota)))
        self.nodes: Sequence[Node] = [Node("", "this machine", "127.0.0.1", cpus, 0, 0.0)]

    def ask_each(self, question: Callable[..., Any], seconds: float, arguments: Mapping[Node, tuple[Any, ...]]) -> dict[Node, Any]:
        """As in `Nodes`."""
        answers: dict[Node, Any] = {}
        for node, given in arguments.items():
            try:
                answers[node] = bounded(lambda given=given: question(*given), seconds)  # type: ignore[misc]
            except Exception as error:
                answers[node] = NoAnswer(in_words(error))
        return answers


def ask(nodes: Nodes, question: Callable[..., Any], seconds: float, *arguments: Any) -> dict[Node, Any]:
    """Ask all nodes the same."""
    return nodes.ask_each(question, seconds, dict.fromkeys(nodes.nodes, arguments))


def pinned(node: Node) -> dict[str, Any]:
    """Options of a task or an actor that runs on this node or nowhere."""
    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node.id, soft=False)}


def collect(calls: Mapping[Node, Any], seconds: float) -> dict[Node, Any]:
    """The results of these calls; a call that is late is cancelled, and has a `NoAnswer`, as has one that failed."""
    if calls:
        ray.wait(list(calls.values()), num_returns=len(calls), timeout=seconds)
    return {node: _result(call, seconds) for node, call in calls.items()}


def answered(answers: Mapping[Node, Any]) -> dict[Node, Any]:
    """The answers of those who gave one."""
    return {node: answer for node, answer in answers.items() if not isinstance(answer, NoAnswer)}


def unanswered(check: str, answers: Mapping[Node, Any], cure: str) -> Iterator[Finding]:
    """A problem for each node that gave no answer."""
    for node, answer in answers.items():
        if isinstance(answer, NoAnswer):
            yield Finding(check, Verdict.PROBLEM, answer.reason, cure).on(node.name)


def bounded(act: Callable[[], Result], seconds: float) -> Result:
    """The result of `act`, or what it raises. Raises TimeoutError after `seconds`, and leaves it behind: a dead mount blocks for ever."""
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(act())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(f"not finished after {seconds:.0f} s")
    return results[0]


def in_words(error: BaseException) -> str:
    """An error in one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, UserError | TimeoutError) else f"{type(error).__name__}: {text}"[:300]


def failed(check: str, error: Exception) -> Finding:
    """What is reported of a check that itself failed."""
    return Finding(check, Verdict.WARNING, f"this check failed: {in_words(error)}", "run it again; if it fails again, please report it")


class Budget:
    """Seconds that are left for all checks together, by `clock`."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._end = clock, clock() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left; negative if more have passed."""
        return self._end - self._clock()

    def at_most(self, seconds: float) -> float:
        """These seconds, or what is left of the budget, but at least LEAST_SECONDS, as a shorter wait proves nothing."""
        return min(seconds, max(LEAST_SECONDS, self.left))


def _node(node: Mapping[str, Any], addresses: Sequence[str]) -> Node:
    address, resources = str(node["NodeManagerAddress"]), node["Resources"]
    name = address if addresses.count(address) == 1 else f"{address} ({node['NodeID'][:6]})"
    return Node(
        id=str(node["NodeID"]),
        name=name,
        address=address,
        cpus=int(resources.get("CPU", 0)),
        gpus=int(resources.get("GPU", 0)),
        store=float(resources.get("object_store_memory", 0)),
    )


def _result(call: Any, seconds: float) -> Any:
    try:
        return ray.get(call, timeout=0)
    except GetTimeoutError:
        with contextlib.suppress(ValueError, RayError):  # an actor's method cannot be forced
            ray.cancel(call, force=True)
        return NoAnswer(f"did not answer within {seconds:.0f} s")
    except NODE_LOST:
        return NoAnswer("has left the cluster, or its process died")
    except RayTaskError as error:
        return NoAnswer(in_words(error.cause) if isinstance(error.cause, Exception) else in_words(error))
    except RayError as error:
        return NoAnswer(in_words(error))
