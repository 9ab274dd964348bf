"""Progress of a command: a bar on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

T = TypeVar("T")

PLAIN_INTERVAL = 10.0  # seconds between lines where there is no terminal, as in a job's log


def screen() -> Console:
    """Standard error, for progress and warnings: standard output is for results only. Brackets in file names are no markup to it."""
    return Console(stderr=True, markup=False, highlight=False, emoji=False, soft_wrap=True)


def track(items: Sequence[T], name: str, console: Console, clock: Callable[[], float] = time.monotonic) -> Iterator[T]:
    """`track_images` of a sequence."""
    return track_images(items, len(items), name, console, clock)


def track_images(images: Iterable[T], total: int, name: str, console: Console, clock: Callable[[], float] = time.monotonic) -> Iterator[T]:
    """Yield what belongs to `total` images, showing on `console` how many are done and how fast.

    Lines printed to it meanwhile appear above the bar.
    """
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Speed(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            yield from progress.track(images, total, description=name)
        return
    began = shown = clock()
    for done, image in enumerate(images):
        now = clock()
        if now - shown >= PLAIN_INTERVAL:
            shown = now
            console.print(f"{name}: {done:,} of {total:,}{_speed(done / (now - began))}")
        yield image


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(_speed(task.speed).removeprefix(", "))


def _speed(images_per_second: float | None) -> str:
    return f", {images_per_second:.1f} images/s" if images_per_second else ""
