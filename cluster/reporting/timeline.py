"""The launches of a run as bars: how long their attempts started, compiled and trained, and how each ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cluster.reporting.launches import AttemptEntry, LaunchEntry
from ringcycle.cli import duration

MOST = 20
"""Launches that are drawn, the newest ones."""
MOST_ROWS = 100
KINDS = {"start": "starting processes", "compile": "compiling, restoring", "train": "training"}
STEPPED = "stepped"  # in `entered`: the first step is done


@dataclass(frozen=True)
class Segment:
    """A part of a bar; left and width are percentages of the bar."""

    kind: str
    left: float
    width: float
    title: str


@dataclass(frozen=True)
class Bar:
    """A launch; width: percentage of the longest one's."""

    began: datetime
    seconds: float
    width: float
    outcome: str
    segments: list[Segment]


@dataclass(frozen=True)
class AttemptRow:
    """A line of the table of attempts."""

    launch: int
    attempt: int
    began: datetime
    lasted: str
    workers: int
    steps: str
    trained: str
    end: str


def bars(launches: Sequence[LaunchEntry]) -> list[Bar]:
    """The newest launches, oldest first."""
    shown = launches[-MOST:]
    longest = max((_seconds(launch.began, launch.until) for launch in shown), default=0.0)
    return [_bar(launch, longest) for launch in shown]


def attempt_rows(launches: Sequence[LaunchEntry]) -> list[AttemptRow]:
    """All attempts of all launches, the newest MOST_ROWS."""
    rows = [_row(number, launch, attempt) for number, launch in enumerate(launches, 1) for attempt in launch.attempts]
    return rows[-MOST_ROWS:]


def outcome_of(launch: LaunchEntry) -> str:
    """In one phrase."""
    if not launch.outcome:
        return "no end recorded"
    return f"{launch.outcome}: {launch.reason}" if launch.reason else launch.outcome


def _bar(launch: LaunchEntry, longest: float) -> Bar:
    seconds = _seconds(launch.began, launch.until)
    segments = [segment for attempt in launch.attempts for segment in _segments(launch, attempt, max(seconds, 1e-9))]
    return Bar(launch.began, seconds, 100 * seconds / longest if longest else 100.0, outcome_of(launch), segments)


def _segments(launch: LaunchEntry, attempt: AttemptEntry, whole: float) -> list[Segment]:
    begin, end = _seconds(launch.began, attempt.began), _seconds(launch.began, attempt.until)
    compiling = begin + attempt.entered.get("compiling", end - begin)
    training = begin + attempt.entered.get(STEPPED, attempt.entered.get("training", end - begin))
    marks = {"start": (begin, compiling), "compile": (compiling, training), "train": (training, end)}
    result = []
    for kind, (left, right) in marks.items():
        left, right = min(max(left, 0.0), whole), min(max(right, 0.0), whole)
        if right > left:
            title = f"attempt {attempt.number}: {KINDS[kind]}, {duration(right - left)}"
            result.append(Segment(kind, 100 * left / whole, 100 * (right - left) / whole, title))
    return result


def _row(number: int, launch: LaunchEntry, attempt: AttemptEntry) -> AttemptRow:
    last = attempt is launch.attempts[-1]
    return AttemptRow(
        launch=number,
        attempt=attempt.number,
        began=attempt.began,
        lasted=duration(_seconds(attempt.began, attempt.until)),
        workers=len(attempt.workers),
        steps=f"{attempt.resumed_step:,} to {attempt.reached_step:,}" if attempt.reached_step else "none",
        trained=duration(attempt.trained_seconds),
        end=attempt.cause or (outcome_of(launch) if last else "no end recorded"),
    )


def _seconds(begin: datetime, end: datetime) -> float:
    return max(0.0, (end - begin).total_seconds())
