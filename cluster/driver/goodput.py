"""Where the time of a run went: seconds in steps that count, and what each interruption cost."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise, zip_longest
from typing import Any

from cluster.monitoring.status import FIRST_STEP
from ringcycle.cli import duration


@dataclass(frozen=True)
class AttemptRecord:
    """What an attempt did. Times are in seconds, on the driver's clock; ended: when its end was noticed.

    entered: see `RunStatus`. cause: why it ended. undetected: for how many seconds before `ended` nothing had been heard of a lost worker.
    """

    began: float
    ended: float
    entered: dict[str, float]
    resumed_step: int
    reached_step: int
    trained_seconds: float
    cause: str
    undetected: float


@dataclass(frozen=True)
class Recovery:
    """From an interruption to the next finished step. parts: its seconds in detect, end, restart, compile, restore, step."""

    cause: str
    seconds: float
    repeated_steps: int
    parts: dict[str, float]

    def describe(self) -> str:
        """In one line."""
        parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in self.parts.items())
        return f"recovered in {self.seconds:.1f} s ({parts}); {self.repeated_steps} steps to repeat"


@dataclass(frozen=True)
class Goodput:
    """useful: seconds in steps that count. lost: seconds by cause, idle and in steps that were repeated."""

    total: float
    useful: float
    repeated_steps: int
    attempts: int
    lost: dict[str, float]
    recoveries: list[Recovery] = field(default_factory=list)

    def describe(self) -> str:
        """In one line."""
        lost = ", ".join(f"{cause} {duration(seconds)}" for cause, seconds in self.lost.items())
        attempts = f"{self.attempts} attempt{'' if self.attempts == 1 else 's'}"
        return (
            f"goodput {self.useful / self.total:.1%}: {duration(self.useful)} of {duration(self.total)} in steps that count; "
            f"{attempts}, {self.repeated_steps} steps repeated; lost: {lost}"
        )

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def recovery(before: AttemptRecord, after: AttemptRecord) -> Recovery:
    """What it took from the interruption of one attempt to the first step of the next attempt that finished one."""
    at = {name: after.began + offset for name, offset in after.entered.items()}
    marks = {
        "detect": before.ended,
        "end": after.began,
        "restart": at["compiling"],
        "compile": at["restoring"],
        "restore": at["training"],
        "step": at[FIRST_STEP],
    }
    parts, last = {}, before.ended - before.undetected
    for name, mark in marks.items():
        parts[name], last = max(0.0, mark - last), max(last, mark)
    return Recovery(before.cause, sum(parts.values()), max(0, before.reached_step - after.resumed_step), parts)


def goodput(launched: float, ended: float, records: Sequence[AttemptRecord]) -> Goodput:
    """Sum up a launch from its attempts, in order. An attempt without a finished step adds to the cost of the interruption before it."""
    stepped = [record for record in records if FIRST_STEP in record.entered]
    useful, repeated, lost = 0.0, 0, {"start": 0.0}
    cause, idle_since = "start", launched
    for record, following in zip_longest(stepped, stepped[1:]):
        lost[cause] = lost.get(cause, 0.0) + max(0.0, record.began + record.entered[FIRST_STEP] - idle_since)
        done = max(1, record.reached_step - record.resumed_step)
        again = min(done, max(0, record.reached_step - following.resumed_step)) if following else 0
        useful += record.trained_seconds * (1 - again / done)
        repeated += again
        cause, idle_since = record.cause, record.ended - record.undetected
        if again:
            lost[cause] = lost.get(cause, 0.0) + record.trained_seconds * again / done
    if records and records[-1] not in stepped:
        lost[cause] = lost.get(cause, 0.0) + max(0.0, ended - idle_since)
    recoveries = [recovery(before, after) for before, after in pairwise(stepped)]
    return Goodput(ended - launched, useful, repeated, len(records), lost, recoveries)
