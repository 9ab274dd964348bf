"""The status board: an actor on the driver's node to which the workers report, and through which the driver asks them to stop.

Each attempt has a board of its own, so that a worker which outlives its group, on a node that was cut off, is no longer heard.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import ray

from cluster.monitoring.weight_checksums import ChecksumComparison

Phase = Literal["starting", "compiling", "restoring", "training", "closing"]
FIRST_STEP = "stepped"  # in `RunStatus.entered`, beside the phases


@dataclass(frozen=True)
class Progress:
    """The latest step of a running training.

    wait: fraction of the time spent waiting for data. seconds_left: an estimate. epoch: how many the training has seen, not whole.
    checkpoint: step of the newest one, 0 if there is none.
    """

    step: int
    steps: int
    losses: dict[str, float]
    images_per_second: float
    wait: float
    seconds_left: float
    epoch: float
    checkpoint: int = 0


@dataclass(frozen=True)
class Outcome:
    """How the training loop ended.

    checkpoint: the newest one, or "". diverged_at: if diverged, the first of the consecutive steps that had no effect, else 0.
    faults: what the collapse watch found.
    """

    kind: Literal["finished", "stopped", "diverged", "failed"]
    step: int
    checkpoint: str = ""
    reason: str = ""
    diverged_at: int = 0
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class WorkerInfo:
    """A worker that is ready to train from `step`.

    cores: the logical CPUs it is pinned to. programs: how many it compiled, of which `hits` came from the cache. device: its model.
    """

    pid: int
    host: str
    cores: tuple[int, ...]
    feed_pids: tuple[int, ...]
    programs: int
    hits: int
    compile_seconds: float
    step: int
    device: str = ""


@dataclass(frozen=True)
class Heartbeat:
    """What a worker is doing, and in which process on which Ray node. step_seconds: duration of its last step."""

    phase: Phase
    step: int
    step_seconds: float
    waits_for_data: bool
    pid: int
    node: str


@dataclass(frozen=True)
class WorkerStatus:
    """A worker as its heartbeats show it. seconds_since_step: since its phase or step last changed. step_seconds: of its last step."""

    phase: Phase
    step: int
    seconds_since_heartbeat: float
    seconds_since_step: float
    step_seconds: float
    waits_for_data: bool = False


@dataclass
class RunStatus:
    """Everything on the board of attempt number `attempt`.

    phase: what is going on, for the user. lines: messages for the user, in order. workers: those that are ready, by rank.
    seconds: time spent, by name. heartbeats: the last one of each rank. ranks: the same as the policy sees it. entered: seconds from
    the attempt's beginning until the last rank entered each phase, and, as FIRST_STEP, until the first step was finished.
    mismatch, verified_step: see `ChecksumComparison`; at first verified_step is the step that all workers resume from.
    """

    attempt: int = 1
    phase: str = "starting workers"
    progress: Progress | None = None
    outcome: Outcome | None = None
    lines: list[str] = field(default_factory=list)
    workers: dict[int, WorkerInfo] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    heartbeats: dict[int, Heartbeat] = field(default_factory=dict)
    ranks: dict[int, WorkerStatus] = field(default_factory=dict)
    entered: dict[str, float] = field(default_factory=dict)
    mismatch: str = ""
    verified_step: int = 0


class StatusBoard:
    """The board of attempt number `attempt` with `workers` workers. As an actor it lives as long as the driver holds its handle."""

    def __init__(self, workers: int, attempt: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        self._status = RunStatus(attempt)
        self._stop = False
        self._clock, self._began = clock, clock()
        self._checksums = ChecksumComparison(workers)
        self._heartbeat_at: dict[int, float] = {}
        self._step_at: dict[int, float] = {}

    def add_line(self, text: str) -> None:
        """Show the user a message."""
        self._status.lines.append(text)

    def set_phase(self, phase: str) -> None:
        """Show the user what is going on."""
        self._status.phase = phase

    def set_worker(self, rank: int, info: WorkerInfo) -> None:
        """Report a worker as ready."""
        self._status.workers[rank] = info

    def add_seconds(self, name: str, seconds: float) -> None:
        """Add to the time spent on `name`."""
        self._status.seconds[name] = self._status.seconds.get(name, 0.0) + seconds

    def set_progress(self, progress: Progress, trained_seconds: float) -> bool:
        """Report a finished step, and the seconds spent in steps since the last report. Returns whether to stop."""
        self._status.phase, self._status.progress = "training", progress
        self.add_seconds("train", trained_seconds)
        return self._stop

    def set_outcome(self, outcome: Outcome) -> None:
        """Report how the training loop ended."""
        self._status.outcome = outcome

    def heartbeat(self, rank: int, heartbeat: Heartbeat) -> None:
        """Report that a worker is alive. Times are taken here, since the hosts' clocks differ."""
        now, before = self._clock(), self._status.heartbeats.get(rank)
        self._heartbeat_at[rank] = now
        if before is None or before.phase != heartbeat.phase:
            self._status.entered[heartbeat.phase] = now - self._began
        if before is None or (before.phase, before.step) != (heartbeat.phase, heartbeat.step):
            self._step_at[rank] = now
            if before is not None and before.phase == heartbeat.phase == "training":
                self._status.entered.setdefault(FIRST_STEP, now - self._began)
        self._status.heartbeats[rank] = heartbeat

    def checksum(self, rank: int, step: int, value: int) -> None:
        """Report the checksum of a worker's weights after `step`."""
        self._checksums.add(rank, step, value)

    def read(self) -> RunStatus:
        """Everything reported so far."""
        now = self._clock()
        self._status.ranks = {
            rank: WorkerStatus(
                heartbeat.phase,
                heartbeat.step,
                now - self._heartbeat_at[rank],
                now - self._step_at[rank],
                heartbeat.step_seconds,
                waits_for_data=heartbeat.waits_for_data,
            )
            for rank, heartbeat in self._status.heartbeats.items()
        }
        # All workers resume from one checkpoint, so they begin equal.
        resumed = min((worker.step for worker in self._status.workers.values()), default=0)
        self._status.mismatch = self._checksums.mismatch
        self._status.verified_step = max(self._checksums.verified_step, resumed)
        return self._status

    def ask_to_stop(self) -> None:
        """Ask the workers to save a checkpoint and end, all after the same step."""
        self._stop = True


StatusBoardActor = ray.remote(num_cpus=0)(StatusBoard)  # executes one call at a time, each worker's in order
