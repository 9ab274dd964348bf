"""Routes log lines to the user's terminal: each process sends its loggers' lines to one receiver."""

import argparse
import logging
from collections.abc import Callable

from ringcycle.output import printable

PACKAGES = ("ringcycle", "preprocess", "cyclegan", "cluster")
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}


class _LineHandler(logging.Handler):
    """Hands each message to `send`, in one line without control characters. A receiver that fails must not stop the work that logs.

    A debug line begins with its logger's name, since nobody sees from its words alone which part of the system it is about.
    """

    def __init__(self, send: Callable[[str], object]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        try:
            where = f"{record.name}: " if record.levelno <= logging.DEBUG else ""
            self._send(printable(where + self.format(record)))
        except Exception:
            self.handleError(record)


def send_lines(send: Callable[[str], object], level: int = logging.INFO) -> None:
    """From now on, send the lines that this project's packages log in this process to `send`. Replaces an earlier receiver."""
    for package in PACKAGES:
        logger = logging.getLogger(package)
        logger.handlers = [_LineHandler(send)]
        logger.setLevel(level)
        logger.propagate = False


def add_log_level(parser: argparse.ArgumentParser) -> None:
    """Add `--log-level`, whose value is a level of `logging`."""
    parser.add_argument(
        "--log-level",
        type=_level,
        default=logging.INFO,
        metavar="|".join(LEVELS),
        help="debug: also what Ray and TensorFlow print; warning: only warnings and errors (default: info)",
    )


def _level(text: str) -> int:
    if text not in LEVELS:
        raise argparse.ArgumentTypeError(f"{text} is none of {', '.join(LEVELS)}")
    return LEVELS[text]
