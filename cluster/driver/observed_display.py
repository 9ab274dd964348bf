"""A display of a training that others watch too: what evaluates, reports and exports while it goes on."""

from collections.abc import Callable

from cluster.driver.interfaces import Display
from cluster.monitoring.status import RunStatus


class ObservedDisplay:
    """Shows what it is given, then gives each status to the observers."""

    def __init__(self, display: Display, *observers: Callable[[RunStatus], object]) -> None:
        self._display, self._observers = display, observers

    def phase(self, text: str) -> None:
        """Show what is going on, until the next phase."""
        self._display.phase(text)

    def show(self, status: RunStatus) -> None:
        """Show the progress of an attempt."""
        self._display.show(status)
        for observe in self._observers:
            observe(status)
