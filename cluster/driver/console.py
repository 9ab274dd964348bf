"""What the driver shows: lines for what happened, and one progress line that redraws itself on a terminal."""

import sys
import time

from rich.console import Console

from cluster.monitoring.status import Progress, RunStatus, WorkerInfo
from preprocess.build import BuildProgress

PLAIN_INTERVAL = 10.0  # seconds between progress lines where they cannot be redrawn, as in a job's log


class Screen:
    """Draws the news of a training as they come."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._status = self._console.status("") if self._console.is_terminal else None
        self._shown: str | None = None
        self._plain_at = float("-inf")
        self._start = self._lines = 0
        self._workers: dict[int, WorkerInfo] = {}

    def line(self, text: str) -> None:
        """One line that stays."""
        self._console.print(text, markup=False)
        if not self._console.is_terminal:
            self._console.file.flush()

    def phase(self, text: str) -> None:
        """What goes on now, until the next line or phase."""
        self._draw(text)

    def build(self, progress: BuildProgress) -> None:
        """How the preprocessing goes."""
        self._draw(progress.describe())

    def show(self, news: RunStatus) -> None:
        """Lines and workers that are new, then where the training stands. Each start of the group begins its lines anew."""
        if news.attempt != self._start:
            self._start, self._lines, self._workers = news.attempt, 0, {}
        for text in news.lines[self._lines :]:
            self.line(text)
        self._lines = len(news.lines)
        for rank, worker in sorted(news.workers.items()):
            if self._workers.get(rank) != worker:
                self._workers[rank] = worker
                cores = ", ".join(map(str, worker.cores))
                feeds = ", ".join(map(str, worker.feed_pids))
                self.line(
                    f"worker {rank}: process {worker.pid} on {worker.host}, cores {cores}, feed {feeds}, ready at step {worker.step:,}"
                )
        self._draw(progress_text(news.progress) if news.progress and news.phase == "training" else news.phase)

    def close(self) -> None:
        """Take the progress line away."""
        if self._status:
            self._status.stop()

    def _draw(self, text: str) -> None:
        if self._status:
            self._status.update(text)
            self._status.start()
        elif text != self._shown and time.monotonic() - self._plain_at >= PLAIN_INTERVAL:
            self.line(text)
            self._shown, self._plain_at = text, time.monotonic()


def progress_text(progress: Progress) -> str:
    """Step, losses, speed, wait for data and time left, in one line."""
    losses = progress.losses
    pairs = {name: sum(v for key, v in losses.items() if key.startswith(start)) / 2 for name, start in _LOSS_GROUPS.items()}
    shown = "  ".join(f"{name} {value:.3f}" for name, value in pairs.items())
    return (
        f"step {progress.step:,}/{progress.steps:,}  {shown}  {progress.images_per_second:.1f} images/s  "
        f"wait {progress.wait:.1%}  {duration(progress.seconds_left)} left"
    )


def duration(seconds: float) -> str:
    """1:02:03 or 2:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def fail(error: object) -> None:
    """A user's mistake, in one line on standard error."""
    print(f"error: {error}", file=sys.stderr, flush=True)


_LOSS_GROUPS = {"G": "G_", "cycle": "cycle_", "identity": "identity_", "D": "D_"}
