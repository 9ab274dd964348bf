"""The board: an actor on the driver's node where the workers post how it goes, and the driver asks them to stop."""

from dataclasses import dataclass, field
from typing import Any, Literal

import ray


@dataclass(frozen=True)
class Progress:
    """The latest of a running training. wait: share of the time spent waiting for data."""

    step: int
    steps: int
    losses: dict[str, float]
    images_per_second: float
    wait: float
    seconds_left: float


@dataclass(frozen=True)
class Outcome:
    """How the training loop ended. checkpoint: the newest one, or empty."""

    kind: Literal["finished", "stopped", "diverged", "failed"]
    step: int
    checkpoint: str = ""
    reason: str = ""


@dataclass(frozen=True)
class WorkerInfo:
    """A started worker, ready to go on at `step`.

    cores: the logical CPUs that it is pinned to. programs: compiled, of which `hits` came from the cache.
    """

    pid: int
    host: str
    cores: tuple[int, ...]
    feed_pids: tuple[int, ...]
    programs: int
    hits: int
    compile_seconds: float
    step: int


@dataclass
class News:
    """All that is on the board. lines: what happened once, in order. phase: what goes on now."""

    phase: str = "starting workers"
    progress: Progress | None = None
    outcome: Outcome | None = None
    lines: list[str] = field(default_factory=list)
    workers: dict[int, WorkerInfo] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


@ray.remote(num_cpus=0, max_concurrency=4)
class Board:
    """Lives as long as the driver."""

    def __init__(self) -> None:
        self._news = News()
        self._stop = False

    def post(self, **news: Any) -> bool:
        """Set fields of the news. `line` adds one, `worker` = (rank, info) sets one, `seconds` adds to the time spent, by name.

        Returns whether to stop.
        """
        if "line" in news:
            self._news.lines.append(news.pop("line"))
        if "worker" in news:
            rank, info = news.pop("worker")
            self._news.workers[rank] = info
        for name, seconds in news.pop("seconds", {}).items():
            self._news.seconds[name] = self._news.seconds.get(name, 0.0) + seconds
        for name, value in news.items():
            setattr(self._news, name, value)
        return self._stop

    def read(self) -> News:
        """Everything posted so far."""
        return self._news

    def ask_to_stop(self) -> None:
        """Ask the workers to save a checkpoint and end, all at the same step."""
        self._stop = True
