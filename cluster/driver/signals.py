"""What belongs to the driver's main thread: signals, and slow imports."""

import signal
import threading
from typing import Self

from ringcycle.stderr import quiet_stderr


class StopSignals:
    """Counts SIGINT and SIGTERM while it is entered."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Self:
        """Take over both signals. Within a submitted job SIGINT may be blocked: unblock it."""
        self._before = {number: signal.signal(number, self._add) for number in (signal.SIGINT, signal.SIGTERM)}
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._before)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _add(self, *_: object) -> None:
        self.count += 1


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
