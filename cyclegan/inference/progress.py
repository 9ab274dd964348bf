"""Progress of a command: a bar on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

T = TypeVar("T")

Meter = Callable[[int, str], AbstractContextManager[Callable[[], None]]]
"""`meter` on some console: of a total and a name."""

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
    with meter(total, name, console, clock, "images") as advance:
        for image in images:
            yield image
            advance()


@contextmanager
def meter(
    total: int, name: str, console: Console, clock: Callable[[], float] = time.monotonic, unit: str = ""
) -> Iterator[Callable[[], None]]:
    """Show on `console` how many of `total` are done, with a unit also how many in a second. The function it yields counts one more.

    A meter inside another gets its own bar.
    """
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Speed(unit), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            yield partial(progress.advance, progress.add_task(name, total=total))
    else:
        yield _Lines(total, name, console, clock, unit).advance


def silent(_total: int, _name: str) -> AbstractContextManager[Callable[[], None]]:
    """A meter that shows nothing."""
    return nullcontext(lambda: None)


class _Lines:
    """A line now and then: how many are done."""

    def __init__(self, total: int, name: str, console: Console, clock: Callable[[], float], unit: str) -> None:
        self._total, self._name, self._console, self._clock, self._unit = total, name, console, clock, unit
        self._done = 0
        self._began = self._shown = clock()

    def advance(self) -> None:
        self._done, now = self._done + 1, self._clock()
        if self._done < self._total and now - self._shown >= PLAIN_INTERVAL:
            self._shown = now
            self._console.print(f"{self._name}: {self._done:,} of {self._total:,}{_speed(self._done / (now - self._began), self._unit)}")


class _Speed(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        return Text(_speed(task.speed, self._unit).removeprefix(", "))


def _speed(per_second: float | None, unit: str) -> str:
    return f", {per_second:.1f} {unit}/s" if per_second and unit else ""
