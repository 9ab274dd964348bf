"""What the driver shows: lines for what happened, and below them on a terminal a display of the progress that redraws itself."""

import logging
import time

from rich.console import Console
from rich.live import Live

from cluster.driver.progress_view import ProgressView, progress_text
from cluster.monitoring.status import RunStatus, WorkerInfo
from preprocess.building.progress import BuildProgress
from ringcycle.output import printable

PLAIN_INTERVAL = 10.0  # seconds between progress lines where they cannot be redrawn, as in a job's log
REDRAWS = 4.0  # per second


class Screen:
    """Draws the progress of a training on standard output.

    level: as in `send_lines`. Above INFO the screen prints only what is logged. At DEBUG nothing is redrawn, since libraries print, too.
    """

    def __init__(self, level: int = logging.INFO) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self.level = level
        self._view = ProgressView()
        redraws = self._console.is_terminal and not self._console.is_dumb_terminal and level > logging.DEBUG
        self._live = Live(self._view, console=self._console, refresh_per_second=REDRAWS, transient=True) if redraws else None
        self._shown: str | None = None
        self._plain_at = float("-inf")
        self._attempt = self._lines = 0
        self._workers: dict[int, WorkerInfo] = {}

    def line(self, text: str) -> None:
        """Print one permanent line, unless only warnings are wanted."""
        if self.level <= logging.INFO:
            self.log_line(text)

    def log_line(self, text: str) -> None:
        """Print one permanent line that was logged, here or in a worker."""
        self._console.print(printable(text), markup=False)
        if not self._console.is_terminal:
            self._console.file.flush()

    def phase(self, text: str) -> None:
        """Show what is going on, until the next line or phase."""
        self._view.phase(text)
        self._draw(text)

    def build(self, progress: BuildProgress) -> None:
        """Show the progress of the preprocessing."""
        self.phase(progress.describe())

    def show(self, status: RunStatus) -> None:
        """Print lines and workers that are new, then show the progress. The lines of each attempt are numbered from 0."""
        if status.attempt != self._attempt:
            self._attempt, self._lines, self._workers = status.attempt, 0, {}
        for text in status.lines[self._lines :]:
            self.log_line(text)
        self._lines = len(status.lines)
        for rank, worker in sorted(status.workers.items()):
            if self._workers.get(rank) != worker:
                self._workers[rank] = worker
                cores = ", ".join(map(str, worker.cores))
                feeds = ", ".join(map(str, worker.feed_pids))
                self.line(
                    f"worker {rank}: process {worker.pid} on {worker.host}, cores {cores}, feed {feeds}, ready at step {worker.step:,}"
                )
        if status.progress and status.phase == "training":
            self._view.training(status.progress)
            self._draw(progress_text(status.progress))
        else:
            self.phase(status.phase)

    def begin(self) -> None:
        """Another run's attempts follow, counted from 1 again."""
        self._attempt, self._workers = 0, {}

    def close(self) -> None:
        """Remove the display."""
        if self._live:
            self._live.stop()

    def _draw(self, text: str) -> None:
        """Redraw the display, or print `text` where there is none, now and then."""
        if self._live:
            self._live.start()
        elif text != self._shown and time.monotonic() - self._plain_at >= PLAIN_INTERVAL:
            self.line(text)
            self._shown, self._plain_at = text, time.monotonic()
