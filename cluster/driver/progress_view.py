"""The progress of a training as a line of text, and as a display that fits the width of its terminal."""

from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from cluster.monitoring.status import Progress
from ringcycle.cli import duration
from ringcycle.output import printable

LOSS_GROUPS = {"G": "G_", "cycle": "cycle_", "identity": "identity_", "pairs": "pairs_", "D": "D_"}
"""What is shown, by the beginnings of the names of losses, whose mean it is."""
GAP = "  "
LEAST_BAR = 10  # characters: in a narrower terminal there is none


def progress_text(progress: Progress) -> str:
    """Step, losses, speed, wait for data and time left, in one line."""
    return GAP.join([_step(progress), *_losses(progress), _speed(progress), _wait(progress), _left(progress)])


class ProgressView:
    """A renderable that shows a phase, or the last progress it was given."""

    def __init__(self) -> None:
        self._spinner = Spinner("dots")
        self._text = ""
        self._progress: Progress | None = None

    def phase(self, text: str) -> None:
        """Show what is going on."""
        self._text, self._progress = printable(text), None

    def training(self, progress: Progress) -> None:
        """Show how far a training is."""
        self._progress = progress

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        spinner = self._spinner.render(console.get_time())
        assert isinstance(spinner, Text)
        if self._progress is None:
            yield _line(f"{spinner.plain} {self._text}")
            return
        progress, width = self._progress, options.max_width
        yield _head(spinner.plain, progress, width)
        figures = [_step(progress), f"epoch {progress.epoch:,.1f}", _speed(progress), _wait(progress)]
        for fields in (figures, _losses(progress)):
            for line in packed(fields, width - len(GAP)):
                yield _line(GAP + line)


def _head(spinner: str, progress: Progress, width: int) -> RenderableType:
    """The time left, behind the name of the phase and a bar if there is room for them."""
    name, end = f"{spinner} training", f"{progress.step / progress.steps:.1%}{GAP}{_left(progress)}"
    bar = width - len(name + GAP + GAP + end)
    if bar < LEAST_BAR:
        line = name + GAP + end
        return _line(line if len(line) <= width else f"{spinner} {end}")
    head = Table.grid(padding=(0, len(GAP), 0, 0))
    head.add_row(name, ProgressBar(progress.steps, progress.step, width=bar), end)
    return head


def _line(text: str) -> Text:
    """Cut, rather than continued in the next line, where it is too long."""
    return Text(text, no_wrap=True, overflow="ellipsis")


def packed(fields: Sequence[str], width: int) -> list[str]:
    """The fields in as few lines as hold them without breaking one, unless it is longer than a line."""
    lines: list[str] = []
    for field in fields:
        if lines and len(lines[-1] + GAP + field) <= width:
            lines[-1] += GAP + field
        else:
            lines.append(field)
    return lines


def _step(progress: Progress) -> str:
    return f"step {progress.step:,}/{progress.steps:,}"


def _losses(progress: Progress) -> list[str]:
    """The means over both directions."""
    shown = []
    for name, start in LOSS_GROUPS.items():
        values = [value for key, value in progress.losses.items() if key.startswith(start)]
        if values:
            shown.append(f"{name} {sum(values) / len(values):.3f}")
    return shown


def _speed(progress: Progress) -> str:
    return f"{progress.images_per_second:.1f} images/s"


def _wait(progress: Progress) -> str:
    return f"wait {progress.wait:.1%}"


def _left(progress: Progress) -> str:
    return f"{duration(progress.seconds_left)} left"
