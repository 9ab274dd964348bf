"""Where the time of a run went: seconds of steps that count, and what each loss cost."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise, zip_longest
from typing import Any

from cluster.driver.console import duration


@dataclass(frozen=True)
class AttemptRecord:
    """One start of the group, as far as it came. Times on the driver's clock, in seconds; noticed: when it was over, or had to be.

    entered: offsets from `began` at which the last worker came to each phase, and "stepped", its first finished step.
    resumed, reached: steps at which it began and ended. trained: seconds in steps. cause: why it ended. blind: seconds for which
    nothing was heard of the worker that was lost, before that was noticed.
    """

    began: float
    noticed: float
    entered: dict[str, float]
    resumed: int
    reached: int
    trained: float
    cause: str
    blind: float


@dataclass(frozen=True)
class Recovery:
    """From a loss to the next finished step. parts: its seconds in detect, end, restart, compile, restore, step."""

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
    """useful: seconds of steps that count. lost: seconds by cause, of standing still and of steps done again."""

    total: float
    useful: float
    repeated_steps: int
    starts: int
    lost: dict[str, float]
    recoveries: list[Recovery] = field(default_factory=list)

    def describe(self) -> str:
        """In one line."""
        lost = ", ".join(f"{cause} {duration(seconds)}" for cause, seconds in self.lost.items())
        return (
            f"goodput {self.useful / self.total:.1%}: {duration(self.useful)} of {duration(self.total)} in steps that count; "
            f"{self.starts} starts, {self.repeated_steps} steps repeated; lost: {lost}"
        )

    def as_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return asdict(self)


def recovery(before: AttemptRecord, after: AttemptRecord) -> Recovery:
    """What it took from the loss of one start to the first step of the next that made one."""
    at = {name: after.began + offset for name, offset in after.entered.items()}
    marks = {
        "detect": before.noticed,
        "end": after.began,
        "restart": at["compiling"],
        "compile": at["restoring"],
        "restore": at["training"],
        "step": at["stepped"],
    }
    parts, last = {}, before.noticed - before.blind
    for name, mark in marks.items():
        parts[name], last = max(0.0, mark - last), max(last, mark)
    return Recovery(before.cause, sum(parts.values()), max(0, before.reached - after.resumed), parts)


def goodput(launched: float, ended: float, lives: Sequence[AttemptRecord]) -> Goodput:
    """Sum up a launch from its starts, in order. A start that made no step prolongs what the one before it lost."""
    stepped = [life for life in lives if "stepped" in life.entered]
    useful, repeated, lost = 0.0, 0, {"start": 0.0}
    cause, idle = "start", launched
    for life, following in zip_longest(stepped, stepped[1:]):
        lost[cause] = lost.get(cause, 0.0) + max(0.0, life.began + life.entered["stepped"] - idle)
        done = max(1, life.reached - life.resumed)
        again = min(done, max(0, life.reached - following.resumed)) if following else 0
        useful += life.trained * (1 - again / done)
        repeated += again
        cause, idle = life.cause, life.noticed - life.blind
        if again:
            lost[cause] = lost.get(cause, 0.0) + life.trained * again / done
    if lives and lives[-1] not in stepped:
        lost[cause] = lost.get(cause, 0.0) + max(0.0, ended - idle)
    recoveries = [recovery(before, after) for before, after in pairwise(stepped)]
    return Goodput(ended - launched, useful, repeated, len(lives), lost, recoveries)
