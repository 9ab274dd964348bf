"""What the driver shows: lines for what happened, and one progress line that redraws itself on a terminal."""

import time

from rich.console import Console
from rich.markup import escape

from cluster.monitoring.status import Progress, RunStatus, WorkerInfo
from preprocess.building.progress import BuildProgress
from ringcycle.cli import duration
from ringcycle.output import printable

PLAIN_INTERVAL = 10.0  # seconds between progress lines where they cannot be redrawn, as in a job's log
LOSS_GROUPS = {"G": "G_", "cycle": "cycle_", "identity": "identity_", "D": "D_"}


class Screen:
    """Draws the progress of a training on standard output."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._status = self._console.status("") if self._console.is_terminal else None
        self._shown: str | None = None
        self._plain_at = float("-inf")
        self._attempt = self._lines = 0
        self._workers: dict[int, WorkerInfo] = {}

    def line(self, text: str) -> None:
        """Print one permanent line."""
        self._console.print(printable(text), markup=False)
        if not self._console.is_terminal:
            self._console.file.flush()

    def phase(self, text: str) -> None:
        """Show what is going on, until the next line or phase."""
        self._draw(text)

    def build(self, progress: BuildProgress) -> None:
        """Show the progress of the preprocessing."""
        self._draw(progress.describe())

    def show(self, status: RunStatus) -> None:
        """Print lines and workers that are new, then show the progress. The lines of each attempt are numbered from 0."""
        if status.attempt != self._attempt:
            self._attempt, self._lines, self._workers = status.attempt, 0, {}
        for text in status.lines[self._lines :]:
            self.line(text)
        self._lines = len(status.lines)
        for rank, worker in sorted(status.workers.items()):
            if self._workers.get(rank) != worker:
                self._workers[rank] = worker
                cores = ", ".join(map(str, worker.cores))
                feeds = ", ".join(map(str, worker.feed_pids))
                self.line(
                    f"worker {rank}: process {worker.pid} on {worker.host}, cores {cores}, feed {feeds}, ready at step {worker.step:,}"
                )
        self._draw(progress_text(status.progress) if status.progress and status.phase == "training" else status.phase)

    def begin(self) -> None:
        """Another run's attempts follow, counted from 1 again."""
        self._attempt, self._workers = 0, {}

    def close(self) -> None:
        """Remove the progress line."""
        if self._status:
            self._status.stop()

    def _draw(self, text: str) -> None:
        if self._status:
            self._status.update(escape(printable(text)))
            self._status.start()
        elif text != self._shown and time.monotonic() - self._plain_at >= PLAIN_INTERVAL:
            self.line(text)
            self._shown, self._plain_at = text, time.monotonic()


def progress_text(progress: Progress) -> str:
    """Step, losses, speed, wait for data and time left, in one line."""
    losses = progress.losses
    pairs = {name: sum(v for key, v in losses.items() if key.startswith(start)) / 2 for name, start in LOSS_GROUPS.items()}
    shown = "  ".join(f"{name} {value:.3f}" for name, value in pairs.items())
    return (
        f"step {progress.step:,}/{progress.steps:,}  {shown}  {progress.images_per_second:.1f} images/s  "
        f"wait {progress.wait:.1%}  {duration(progress.seconds_left)} left"
    )
