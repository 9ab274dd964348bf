"""What belongs to the driver's main thread: signals, and slow imports."""

import signal
import threading
import time
from collections.abc import Callable
from typing import Self

from ringcycle.stderr import quiet_stderr

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


class Preload:
    """Imports TensorFlow and the trainer in the background, which takes seconds, while Ray starts.

    TensorFlow's C++ prints while it loads: until `wait` returns, nothing that this process writes to standard error appears.
    """

    def __init__(self) -> None:
        self._thread = threading.Thread(target=self._import, name="preload", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wait(self) -> None:
        """Wait until it is done, if it has begun."""
        if self._thread.is_alive():
            self._thread.join()

    @staticmethod
    def _import() -> None:
        with quiet_stderr():
            import cluster.driver.training_group  # noqa: F401
