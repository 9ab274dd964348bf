"""Routes log lines to the user's terminal: each process sends its loggers' lines to one receiver."""

import logging
from collections.abc import Callable

from ringcycle.output import printable

PACKAGES = ("ringcycle", "preprocess", "cyclegan", "cluster")


class _LineHandler(logging.Handler):
    """Hands each message to `send`, in one line without control characters. A receiver that fails must not stop the work that logs."""

    def __init__(self, send: Callable[[str], object]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._send(printable(self.format(record)))
        except Exception:
            self.handleError(record)


def send_lines(send: Callable[[str], object], level: int = logging.INFO) -> None:
    """From now on, send the lines that this project's packages log in this process to `send`. Replaces an earlier receiver."""
    for package in PACKAGES:
        logger = logging.getLogger(package)
        logger.handlers = [_LineHandler(send)]
        logger.setLevel(level)
        logger.propagate = False
