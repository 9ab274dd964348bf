"""Progress of a command: a bar on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")

PLAIN_INTERVAL = 10.0  # seconds between lines where there is no terminal, as in a job's log


def screen() -> Console:
    """Standard error, for progress and warnings: standard output is for results only. Brackets in file names are no markup to it."""
    return Console(stderr=True, markup=False, highlight=False, emoji=False, soft_wrap=True)


def track(items: Sequence[T], name: str, console: Console, clock: Callable[[], float] = time.monotonic) -> Iterator[T]:
    """Yield the items, showing on `console` how many are done. Lines printed to it meanwhile appear above the bar."""
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            yield from progress.track(items, description=name)
        return
    shown = clock()
    for done, item in enumerate(items):
        if clock() - shown >= PLAIN_INTERVAL:
            shown = clock()
            console.print(f"{name}: {done} of {len(items)}")
        yield item
