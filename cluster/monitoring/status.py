"""The board: an actor on the driver's node where the workers post how it goes, and the driver asks them to stop.

Each start of the group has its own, so that a worker that outlives its group, on a node that was cut off, is not heard any more.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import ray

from cluster.driver.policy import Phase, WorkerStatus
from cluster.monitoring.weight_checksums import Agreement


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
    """How the training loop ended. checkpoint: the newest one, or empty. trouble: for "diverged", the first of the steps without effect."""

    kind: Literal["finished", "stopped", "diverged", "failed"]
    step: int
    checkpoint: str = ""
    reason: str = ""
    trouble: int = 0


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


@dataclass(frozen=True)
class Heartbeat:
    """A heartbeat: what a worker does, and which process on which Ray node it is. step_seconds: of its last step."""

    phase: Phase
    step: int
    step_seconds: float
    waits_for_data: bool
    pid: int
    node: str


@dataclass
class RunStatus:
    """All that is on the board of start number `start`. lines: what happened once, in order. phase: what goes on now.

    beats: the last of each rank. ranks: what the policy sees of them. entered: seconds since the start began at which the last rank came
    to each phase, and "stepped" for the first finished step. differ: see `Agreement`. agreed: the newest step at which all workers were
    equal, at first the one they go on from. controller: handle of Ray Train's.
    """

    start: int = 1
    phase: str = "starting workers"
    progress: Progress | None = None
    outcome: Outcome | None = None
    lines: list[str] = field(default_factory=list)
    workers: dict[int, WorkerInfo] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    beats: dict[int, Heartbeat] = field(default_factory=dict)
    ranks: dict[int, WorkerStatus] = field(default_factory=dict)
    entered: dict[str, float] = field(default_factory=dict)
    differ: str = ""
    agreed: int = 0
    controller: Any = None


class StatusBoard:
    """Of start number `start`, with `workers` workers. An actor of it lives as long as the driver keeps it."""

    def __init__(self, workers: int, start: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        self._news = RunStatus(start)
        self._stop = False
        self._clock, self._began = clock, clock()
        self._agreement = Agreement(workers)
        self._heard: dict[int, float] = {}
        self._moved: dict[int, float] = {}

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

    def beat(self, rank: int, beat: Heartbeat) -> None:
        """A worker's heartbeat. The times are taken here, as clocks of hosts differ."""
        now, before = self._clock(), self._news.beats.get(rank)
        self._heard[rank] = now
        if before is None or before.phase != beat.phase:
            self._news.entered[beat.phase] = now - self._began
        if before is None or (before.phase, before.step) != (beat.phase, beat.step):
            self._moved[rank] = now
            if before is not None and before.phase == beat.phase == "training":
                self._news.entered.setdefault("stepped", now - self._began)
        self._news.beats[rank] = beat

    def checksum(self, rank: int, step: int, value: int) -> None:
        """Checksum of a worker's weights after `step`."""
        self._agreement.note(rank, step, value)

    def read(self) -> RunStatus:
        """Everything posted so far."""
        now = self._clock()
        self._news.ranks = {
            rank: WorkerStatus(
                beat.phase,
                beat.step,
                now - self._heard[rank],
                now - self._moved[rank],
                beat.step_seconds,
                waits_for_data=beat.waits_for_data,
            )
            for rank, beat in self._news.beats.items()
        }
        resumed = min((worker.step for worker in self._news.workers.values()), default=0)  # of one checkpoint: all began equal
        self._news.differ, self._news.agreed = self._agreement.differ, max(self._agreement.agreed, resumed)
        return self._news

    def ask_to_stop(self) -> None:
        """Ask the workers to save a checkpoint and end, all at the same step."""
        self._stop = True


StatusBoardActor = ray.remote(num_cpus=0)(StatusBoard)  # one call at a time, in a worker's order
