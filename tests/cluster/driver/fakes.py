"""A supervisor's surroundings without a cluster: attempts that follow a script, nodes that change with time, and a clock."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from cluster.driver.goodput import AttemptRecord
from cluster.driver.interfaces import ClusterLost, Display, Timer
from cluster.driver.supervise import Report, State, Supervisor
from cluster.job import Job
from cluster.load_config import load_config
from cluster.monitoring.status import FIRST_STEP, Heartbeat, Outcome, Phase, RunStatus, WorkerInfo, WorkerStatus
from cyclegan.checkpoint_files.folders import checkpoints
from cyclegan.checkpoint_files.names import step_of
from cyclegan.config import ImageFormat
from tests.cluster.checkpointing.test_resume import save

STEP_SECONDS = 1.0  # of the fake clock, between two looks at an attempt


class FakeAttempt:
    """Follows a script: each look at its status continues the script up to its next `yield`; it is over when the script is."""

    def __init__(self, world: "World", job: Job, workers: int, number: int) -> None:
        self.world, self.job, self.workers, self.number = world, job, workers, number
        self.error = ""
        self.asked_to_stop = self.ended = False
        self.resumed = self.world.newest_step()
        self._status, self._began = RunStatus(number), world.now
        self._script: Iterator[None] = iter(())
        self._alive = False

    def start(self) -> None:
        self._alive = True
        self._script = self.world.scripts.pop(0)(self)

    def is_alive(self) -> bool:
        return self._alive

    def join(self, timeout: float) -> None:
        self.world.now += STEP_SECONDS
        try:
            next(self._script)
        except StopIteration:
            self._alive = False

    def status(self) -> RunStatus:
        if self.world.board_lost:
            raise ClusterLost("the status board is lost (killed)")
        return self._status

    def ask_to_stop(self) -> None:
        self.asked_to_stop = True

    def end(self) -> None:
        self.ended, self._alive = True, False

    def report(self, phase: Phase, step: int, silent: float = 0.0, outcome: Outcome | None = None, mismatch: str = "") -> None:
        """Put this state of all workers on the board. silent: seconds since the last heartbeat of worker 0."""
        status, ranks = self._status, range(self.workers)
        status.heartbeats = {rank: Heartbeat(phase, step, 1.0, False, 100 + rank, f"node {rank}") for rank in ranks}
        status.ranks = {rank: WorkerStatus(phase, step, 0.0 if rank else silent, 1.0, 1.0) for rank in ranks}
        status.workers = {rank: WorkerInfo(100 + rank, "host", (rank,), (), 4, 4, 0.0, self.resumed) for rank in ranks}
        for name in ("compiling", "restoring", "training", *([FIRST_STEP] if step > self.resumed else [])):
            status.entered.setdefault(name, self.world.now - self._began)
        status.seconds["train"] = float(step - self.resumed)
        status.outcome, status.mismatch, status.verified_step = outcome, mismatch, self.resumed

    def slow(self, step_seconds: float, since_step: float) -> None:
        """Set how long all workers' last step took, and how long ago it was."""
        ranks = self._status.ranks
        self._status.ranks = {n: replace(rank, step_seconds=step_seconds, seconds_since_step=since_step) for n, rank in ranks.items()}


Script = Callable[[FakeAttempt], Iterator[None]]


def trains(
    until: int, end: Literal["finished", "diverged", "failed", "lost"] = "finished", reason: str = "", diverged_at: int = 0
) -> Script:
    """Trains to step `until`, saving every ten steps, then ends with this outcome, or is lost. When asked to stop, saves and does."""

    def script(attempt: FakeAttempt) -> Iterator[None]:
        step = attempt.resumed
        while step < until:
            step += 1
            attempt.report("training", step)
            if step % 10 == 0 or attempt.asked_to_stop:
                attempt.world.save(step)
            if attempt.asked_to_stop:
                attempt.report("closing", step, outcome=Outcome("stopped", step))
                return
            yield
        if end == "lost":
            attempt.error = reason
        else:
            attempt.report("closing", step, outcome=Outcome(end, step, reason=reason, diverged_at=diverged_at))

    return script


def dies(reason: str = "worker 1 died") -> Script:
    """Ends before the first step."""

    def script(attempt: FakeAttempt) -> Iterator[None]:
        attempt.report("compiling", 0)
        yield
        attempt.error = reason

    return script


def hangs(at: int) -> Script:
    """Trains to step `at`, then worker 0 falls silent and the script never ends."""

    def script(attempt: FakeAttempt) -> Iterator[None]:
        step, silent = attempt.resumed, 0.0
        while True:
            step, silent = min(step + 1, at), silent + STEP_SECONDS if step >= at else 0.0
            attempt.report("training", step, silent)
            if step % 10 == 0 and not silent:
                attempt.world.save(step)
            yield

    return script


@dataclass
class World:
    """What surrounds a supervisor: it is its nodes, display and signals. options: of `cluster.train`.

    rooms: for how many workers there is room, by the time from which on. signals_at: times of signals. head_until: when the head is lost.
    drains_at: from when on a node is drained on which the second of two workers runs. driver_drains_at: the same for the driver's node.
    taken_over_at: when another process takes the run over. display: shows instead of this.
    """

    folder: Path
    scripts: list[Script]
    options: tuple[str, ...] = ()
    rooms: dict[float, int] = field(default_factory=lambda: {0.0: 2})
    signals_at: tuple[float, ...] = ()
    head_until: float = float("inf")
    drains_at: float = float("inf")
    driver_drains_at: float = float("inf")
    taken_over_at: float = float("inf")
    board_lost: bool = False
    now: float = 0.0
    attempts: list[FakeAttempt] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)
    attempt_ended: Callable[[AttemptRecord], None] = lambda record: None
    display: Display | None = None
    _larger: tuple[int, float] = (0, 0.0)

    def run(self) -> Report:
        """Supervise to the end."""
        (self.folder / "checkpoints").mkdir()
        self.config = load_config(["--cluster.workers", "2", "--train.batch", "2", "--run.checkpoint_every", "10", *self.options], {})
        job = Job(self.config, ImageFormat(), self.folder, self.folder, "", False, None)
        timer, display = Timer(lambda: self.now, self.sleep), self.display or self
        self.supervisor = Supervisor(job, self, self.new_attempt, self, display, self.taken_over, timer, self.attempt_ended)
        return self.supervisor.run()

    @property
    def state(self) -> State:
        """The supervisor's."""
        return self.supervisor.state

    def new_attempt(self, job: Job, workers: int, number: int) -> FakeAttempt:
        self.attempts.append(FakeAttempt(self, job, workers, number))
        return self.attempts[-1]

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def save(self, step: int) -> None:
        """A real checkpoint."""
        save(self.folder / "checkpoints", step)

    def newest_step(self) -> int:
        """Of the checkpoints, 0 without any."""
        return max((step_of(folder) or 0 for folder in checkpoints(self.folder / "checkpoints")), default=0)

    @property
    def count(self) -> int:
        """Signals so far."""
        return sum(at <= self.now for at in self.signals_at)

    def phase(self, text: str) -> None:
        self.phases.append(text)

    def show(self, status: RunStatus) -> None:
        assert status.attempt == self.attempts[-1].number

    def head_answers(self) -> bool:
        return self.now < self.head_until

    def room(self) -> int:
        return next(room for since, room in sorted(self.rooms.items(), reverse=True) if since <= self.now)

    def larger(self, workers: int) -> tuple[int, float]:
        if not self.head_answers():
            raise ClusterLost("the head of the cluster does not answer")
        found = next((n for n in self.config.valid_workers if workers < n <= self.room()), 0)
        if found != self._larger[0]:
            self._larger = found, self.now
        return found, self.now - self._larger[1] if found else 0.0

    def lost(self, workers: int) -> bool:
        return self.room() < workers

    def leaving(self, nodes: Iterable[str]) -> str:
        return "10.0.0.2" if "node 1" in nodes and self.now >= self.drains_at else ""

    def taken_over(self) -> bool:
        return self.now >= self.taken_over_at

    def driver_leaving(self) -> bool:
        return self.now >= self.driver_drains_at
