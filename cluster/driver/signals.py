"""Signals, which belong to the driver's main thread, and a slow import beside it."""

import importlib
import signal
import threading
import time
from collections.abc import Callable
from typing import Self

SAME_STOP_SECONDS = 1.0  # `timeout` and batch systems signal a process and its group: one stop arrives twice
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """Counts SIGINT, SIGTERM and SIGHUP while it is entered; those within one second of the first count as one stop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.count = 0
        self._clock, self._counted_at = clock, float("-inf")

    def __enter__(self) -> Self:
        """Take over these signals, except SIGHUP under nohup. Within a submitted job SIGINT may be blocked: unblock it."""
        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        self._before = {number: signal.signal(number, self._add) for number in STOPS if number != signal.SIGHUP or not ignored}
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._before)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _add(self, *_: object) -> None:
        now = self._clock()
        if now - self._counted_at >= SAME_STOP_SECONDS:
            self.count, self._counted_at = self.count + 1, now


def import_trainer_early() -> None:
    """Import Ray Train in the background, which takes seconds, while Ray starts. The process ends no earlier than that."""
    threading.Thread(target=importlib.import_module, args=["cluster.driver.training_group"], name="import").start()
