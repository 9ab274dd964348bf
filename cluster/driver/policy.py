"""What to do about how a training stands: pure functions from a status to a decision. Only `supervise` acts on them.

All times are in seconds. A *start* is one life of the group of workers, from its processes' creation to their end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from cluster.monitoring.status import WorkerStatus

HOPELESS_STARTS = 5  # starts in a row without a new checkpoint or a step beyond the last one's: the next would end alike
RETREATS = 3
RATE_FACTOR = 0.5
STEADY = 30.0  # for which returned nodes must be there before the group is moved onto them
SLOW_STEPS = 3.0  # a step may take so many times as long as the last one, beyond the patience for a peer


class Act(Enum):
    """What `supervise` does next."""

    WAIT = "wait"
    SAVE_AND_STOP = "ask for a checkpoint, then end"
    SAVE_AND_MOVE = "ask for a checkpoint, then start again on the nodes there are"
    START_AGAIN = "end the group at once, if it still lives, and start from the newest checkpoint"
    RESTORE = "end the group at once and start from the newest checkpoint on which all workers agreed"
    RETREAT = "start from the last good checkpoint, with a lower rate"
    STOP = "end the group at once; the newest checkpoint is what there is"
    END = "take the outcome as it is"
    GIVE_UP = "end with an error"


@dataclass(frozen=True)
class Decision:
    """An act, and why, as it is told to the user."""

    act: Act
    reason: str = ""


@dataclass(frozen=True)
class Patience:
    """start: for all workers' first heartbeats. peer: for a heartbeat, and for a step. close: for the last checkpoint."""

    start: float
    peer: float
    close: float


@dataclass(frozen=True)
class Running:
    """A start of `workers` workers that goes on. age: since it began. ranks: those heard so far.

    signals: SIGINT and SIGTERM so far. asked: whether a checkpoint was asked for already. draining: a node that leaves, or "".
    larger: the number of workers that would fit now, if that is more; larger_for: since when. short: whether there is room for fewer.
    mismatch: which workers' weights differ, as a message, or "".
    """

    workers: int
    age: float
    ranks: Mapping[int, WorkerStatus]
    signals: int = 0
    asked: bool = False
    draining: str = ""
    larger: int = 0
    larger_for: float = 0.0
    short: bool = False
    mismatch: str = ""


@dataclass(frozen=True)
class Ended:
    """A start that is over. kind: its outcome's, or "lost" if it came to none. progress: whether it got further than all before.

    starts_in_vain: starts in a row up to this one that did not. losses: all starts that were lost. retreats: made so far.
    signals: as in Running. moved: whether it was asked to make way for another number of workers.
    """

    kind: Literal["finished", "stopped", "diverged", "failed", "lost"]
    reason: str = ""
    losses: int = 1
    starts_in_vain: int = 0
    retreats: int = 0
    signals: int = 0
    moved: bool = False


def while_running(status: Running, patience: Patience) -> Decision:
    """What to do about a group that runs."""
    trains = any(rank.phase in ("training", "closing") for rank in status.ranks.values())
    if status.signals > 1:
        return Decision(Act.STOP, "left before a checkpoint was written")
    if status.signals and not trains:
        return Decision(Act.STOP, "stopped before the first step")
    if status.signals and not status.asked:
        return Decision(Act.SAVE_AND_STOP, "stopping: waiting for a checkpoint; once more leaves at once")
    hung = _hung(status, patience)
    if hung:
        return Decision(Act.START_AGAIN, hung)
    if status.mismatch:
        return Decision(Act.RESTORE, status.mismatch)
    if not status.asked and trains:
        if status.draining:
            return Decision(Act.SAVE_AND_MOVE, f"node {status.draining} is draining: saving a checkpoint and leaving it")
        if status.larger > status.workers and status.larger_for >= STEADY:
            return Decision(Act.SAVE_AND_MOVE, f"nodes are back: saving a checkpoint and going on with {status.larger} workers")
    return Decision(Act.WAIT)


def after_end(ended: Ended, max_restarts: int) -> Decision:
    """What to do after a group has ended. max_restarts: `cluster.max_restarts`, after losses: moves and retreats are none."""
    if ended.kind in ("finished", "failed"):
        return Decision(Act.END)
    if ended.kind == "stopped":
        return Decision(Act.START_AGAIN, ended.reason) if ended.moved and not ended.signals else Decision(Act.END)
    if ended.signals:
        return Decision(Act.STOP, "the group was lost while it was asked to stop")
    if ended.kind == "diverged":
        return Decision(Act.RETREAT, ended.reason) if ended.retreats < RETREATS else Decision(Act.END)
    if ended.starts_in_vain >= HOPELESS_STARTS:
        return Decision(Act.GIVE_UP, f"{ended.starts_in_vain} starts in a row came no further; the last: {ended.reason}")
    if ended.losses > max_restarts:
        return Decision(Act.GIVE_UP, f"cluster.max_restarts = {max_restarts} are used up; the last: {ended.reason}")
    return Decision(Act.START_AGAIN, ended.reason)


def workers_now(fit: int, valid: Sequence[int], waited: float, patience: float) -> int | None:
    """How many workers to start: the most of `valid` (descending) if they fit, or, after `patience`, as many as do; None to wait on.

    0 says that even the fewest do not fit after that time. fit: workers for which the cluster has room.
    """
    if fit >= valid[0]:
        return valid[0]
    if waited < patience:
        return None
    return next((n for n in valid if n <= fit), 0)


def go_back_before(trouble: int, resumed: int, retreats: int, checkpoint_every: int) -> int:
    """The step before which a checkpoint must lie to count as good, when numbers went wrong at step `trouble`.

    Soon after a retreat, the checkpoint that was retreated to is itself suspect: large weights are finite before their first overflow.
    """
    return resumed if retreats and trouble - resumed <= checkpoint_every else trouble


def _hung(status: Running, patience: Patience) -> str:
    missing = [r for r in range(status.workers) if r not in status.ranks]
    if missing and status.short:  # a node that was lost is believed in for a while, and a start that counts on it would wait for it
        return f"a node was lost before {_workers(missing)} started"
    if missing and status.age > patience.start:
        return f"{_workers(missing)} did not start within {patience.start:.0f} s"
    silent = [number for number, rank in status.ranks.items() if rank.seconds_since_heartbeat > patience.peer]
    if silent:
        return f"{_workers(silent)} has been silent for {max(status.ranks[n].seconds_since_heartbeat for n in silent):.0f} s"
    training = {number: rank for number, rank in status.ranks.items() if rank.phase == "training"}
    stuck = [n for n, rank in training.items() if rank.seconds_since_step > patience.peer + SLOW_STEPS * rank.step_seconds]
    if stuck:
        starved = [n for n in stuck if training[n].waits_for_data]
        cause = f", {_workers(starved)} waits for data" if starved else ""
        return f"no step for {max(training[n].seconds_since_step for n in stuck):.0f} s{cause}"
    if any(rank.phase == "closing" and rank.seconds_since_step > patience.close for rank in status.ranks.values()):
        return f"the last checkpoint was not written within {patience.close:.0f} s"
    return ""


def _workers(numbers: Sequence[int]) -> str:
    return f"worker{'s' if len(numbers) > 1 else ''} {', '.join(map(str, sorted(numbers)))}"
