"""What to do about the state of a training: pure functions from a status to a decision. Only `supervise` acts on decisions.

All times are in seconds. An *attempt* is one life of the group of workers, from the creation of its processes to their end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from cluster.monitoring.status import WorkerStatus

EndKind = Literal["finished", "stopped", "diverged", "failed", "lost"]

MAX_ATTEMPTS_WITHOUT_PROGRESS = 5  # consecutive ones: the next would end the same way
MAX_ROLLBACKS = 3
RATE_FACTOR = 0.5  # of the learning rate, for each rollback
STEADY_SECONDS = 30.0  # for which returned nodes must stay before the group moves onto them
SLOW_STEP_FACTOR = 3.0  # a step may take this many times as long as the last one, beyond the timeout for a peer


class Action(Enum):
    """What `supervise` does next."""

    WAIT = "keep watching"
    SAVE_AND_STOP = "ask for a checkpoint, then end"
    SAVE_AND_MOVE = "ask for a checkpoint, then start another attempt on the nodes there are"
    RESTART = "end the attempt, if it is still alive, and start another from the newest checkpoint"
    RESTORE = "end the attempt and start another from the newest checkpoint at which all workers had equal weights"
    ROLL_BACK = "start another attempt from the last good checkpoint, with a lower learning rate"
    STOP = "end the attempt without another checkpoint"
    END = "accept the attempt's outcome"
    GIVE_UP = "end with an error"


@dataclass(frozen=True)
class Decision:
    """An action, and its reason as the user reads it."""

    action: Action
    reason: str = ""


@dataclass(frozen=True)
class Timeouts:
    """start: for the first heartbeats of all workers. peer: for a heartbeat, and for a step. close: for the last checkpoint."""

    start: float
    peer: float
    close: float


@dataclass(frozen=True)
class GroupSize:
    """A group of workers of `cpus` CPUs each, and a GPU each if `gpu`."""

    workers: int
    cpus: int
    gpu: bool


@dataclass(frozen=True)
class Running:
    """A running attempt with `workers` workers. age: since it began. ranks: the workers heard from so far.

    signals: stops requested so far, by SIGINT, SIGTERM or SIGHUP. asked_to_stop: whether a checkpoint has been asked for.
    driver_draining: whether the driver's own node is about to leave. draining: the address of a node that is about to leave, or "".
    larger: the larger number of workers that would fit now, or 0; larger_for: for how long it has. nodes_lost: whether the nodes no longer
    have room for all workers. mismatch: whose weights differ, as a message, or "". expected_step_seconds: of the first step, from earlier
    attempts.
    """

    workers: int
    age: float
    ranks: Mapping[int, WorkerStatus]
    signals: int = 0
    asked_to_stop: bool = False
    draining: str = ""
    driver_draining: bool = False
    larger: int = 0
    larger_for: float = 0.0
    nodes_lost: bool = False
    mismatch: str = ""
    expected_step_seconds: float = 0.0


@dataclass(frozen=True)
class Ended:
    """An attempt that is over. kind: that of its outcome, or "lost" if it had none.

    failures: attempts lost so far. attempts_without_progress: consecutive attempts, up to this one, that got no further than those
    before. rollbacks: made so far. stopping: after a signal, or since the driver's node is draining. moved: whether it was asked to make
    way for another number of workers.
    """

    kind: EndKind
    reason: str = ""
    failures: int = 1
    attempts_without_progress: int = 0
    rollbacks: int = 0
    stopping: bool = False
    moved: bool = False


def while_running(status: Running, timeouts: Timeouts) -> Decision:
    """What to do about a running attempt."""
    training = any(rank.phase in ("training", "closing") for rank in status.ranks.values())
    if status.signals > 1:
        return Decision(Action.STOP, "exited before a checkpoint was saved")
    if (status.signals or status.driver_draining) and not training:
        return Decision(Action.STOP, "stopped before the first step")
    if status.signals and not status.asked_to_stop:
        return Decision(Action.SAVE_AND_STOP, "stopping: saving a checkpoint; press Ctrl-C again to exit immediately")
    if status.driver_draining and not status.asked_to_stop:
        return Decision(Action.SAVE_AND_STOP, "the node of this command is draining: saving a checkpoint and ending")
    hung = _hung(status, timeouts)
    if hung:
        return Decision(Action.RESTART, hung)
    if status.mismatch:
        return Decision(Action.RESTORE, status.mismatch)
    if not status.asked_to_stop and training:
        if status.draining:
            return Decision(Action.SAVE_AND_MOVE, f"node {status.draining} is draining: saving a checkpoint and leaving it")
        if status.larger > status.workers and status.larger_for >= STEADY_SECONDS:
            return Decision(Action.SAVE_AND_MOVE, f"nodes are back: saving a checkpoint and continuing with {status.larger} workers")
    return Decision(Action.WAIT)


def after_end(ended: Ended, max_restarts: int) -> Decision:
    """What to do after an attempt has ended. max_restarts: `cluster.max_restarts`; moves and rollbacks do not count."""
    if ended.kind in ("finished", "failed"):
        return Decision(Action.END)
    if ended.kind == "stopped":
        return Decision(Action.RESTART, ended.reason) if ended.moved and not ended.stopping else Decision(Action.END)
    if ended.stopping:
        return Decision(Action.STOP, "the workers were lost while they were stopping")
    if ended.kind == "diverged":
        return Decision(Action.ROLL_BACK, ended.reason) if ended.rollbacks < MAX_ROLLBACKS else Decision(Action.END)
    if ended.attempts_without_progress >= MAX_ATTEMPTS_WITHOUT_PROGRESS:
        fact = f"{ended.attempts_without_progress} consecutive attempts made no progress"
        return Decision(Action.GIVE_UP, f"{fact}; the last failure: {ended.reason}")
    if ended.failures > max_restarts:
        return Decision(Action.GIVE_UP, f"cluster.max_restarts = {max_restarts} is used up; the last failure: {ended.reason}")
    return Decision(Action.RESTART, ended.reason)


def workers_to_start(fit: int, valid: Sequence[int], waited: float, node_timeout: float) -> int | None:
    """How many workers to start: the most of `valid` (descending) if they fit or, after `node_timeout`, as many as fit; None to wait.

    0 means that even the fewest do not fit after that time. fit: workers for which the cluster has room.
    """
    if fit >= valid[0]:
        return valid[0]
    if waited < node_timeout:
        return None
    return next((n for n in valid if n <= fit), 0)


def rollback_limit(diverged_at: int, resumed_step: int, rollbacks: int, checkpoint_every: int) -> int:
    """The step before which a checkpoint counts as good, when the steps from `diverged_at` had no effect.

    Soon after a rollback, the checkpoint that was rolled back to is itself suspect: large weights are finite until they overflow.
    """
    return resumed_step if rollbacks and diverged_at - resumed_step <= checkpoint_every else diverged_at


def _hung(status: Running, timeouts: Timeouts) -> str:
    missing = [r for r in range(status.workers) if r not in status.ranks]
    if missing and status.nodes_lost:  # Ray believes in a lost node for a while, and an attempt that counts on it would wait for it
        return f"a node was lost before {_workers(missing)} started"
    if missing and status.age > timeouts.start:
        return f"{_workers(missing)} did not start within {timeouts.start:.0f} s"
    silent = [number for number, rank in status.ranks.items() if rank.seconds_since_heartbeat > timeouts.peer]
    if silent:
        return f"no heartbeat from {_workers(silent)} for {max(status.ranks[n].seconds_since_heartbeat for n in silent):.0f} s"
    training = {number: rank for number, rank in status.ranks.items() if rank.phase == "training"}
    step_seconds = {n: rank.step_seconds or status.expected_step_seconds for n, rank in training.items()}
    stuck = [n for n, rank in training.items() if rank.seconds_since_step > timeouts.peer + SLOW_STEP_FACTOR * step_seconds[n]]
    if stuck:
        starved = [n for n in stuck if training[n].waits_for_data]
        cause = f", {_workers(starved)} waiting for data" if starved else ""
        return f"no step for {max(training[n].seconds_since_step for n in stuck):.0f} s{cause}"
    if any(rank.phase == "closing" and rank.seconds_since_step > timeouts.close for rank in status.ranks.values()):
        return f"the last checkpoint was not saved within {timeouts.close:.0f} s"
    return ""


def _workers(numbers: Sequence[int]) -> str:
    return f"worker{'s' if len(numbers) > 1 else ''} {', '.join(map(str, sorted(numbers)))}"
