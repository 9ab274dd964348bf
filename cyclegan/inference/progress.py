"""Progress of a command: a bar on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")

Meter = Callable[[int, str], AbstractContextManager[Callable[[], None]]]
"""`meter` on some console: of a total and a name."""

PLAIN_INTERVAL = 10.0  # seconds between lines where there is no terminal, as in a job's log


def screen() -> Console:
    """Standard error, for progress and warnings: standard output is for results only. Brackets in file names are no markup to it."""
    return Console(stderr=True, markup=False, highlight=False, emoji=False, soft_wrap=True)


def track(items: Sequence[T], name: str, console: Console, clock: Callable[[], float] = time.monotonic) -> Iterator[T]:
    """Yield the items, showing on `console` how many are done. Lines printed to it meanwhile appear above the bar."""
    with meter(len(items), name, console, clock) as advance:
        for item in items:
            yield item
            advance()


@contextmanager
def meter(total: int, name: str, console: Console, clock: Callable[[], float] = time.monotonic) -> Iterator[Callable[[], None]]:
    """Show on `console` how many of `total` are done: the function it yields counts one more. A meter inside another gets its own bar."""
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            yield partial(progress.advance, progress.add_task(name, total=total))
    else:
        yield _Lines(total, name, console, clock).advance


def silent(_total: int, _name: str) -> AbstractContextManager[Callable[[], None]]:
    """A meter that shows nothing."""
    return nullcontext(lambda: None)


class _Lines:
    """A line now and then: how many are done."""

    def __init__(self, total: int, name: str, console: Console, clock: Callable[[], float]) -> None:
        self._total, self._name, self._console, self._clock = total, name, console, clock
        self._done = 0
        self._shown = clock()

    def advance(self) -> None:
        self._done += 1
        if self._done < self._total and self._clock() - self._shown >= PLAIN_INTERVAL:
            self._shown = self._clock()
            self._console.print(f"{self._name}: {self._done} of {self._total}")
