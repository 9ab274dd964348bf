"""The process itself: a line of settings and, once the training has ended, a line with its outcome come by standard input."""

import json
import logging
import os
import signal
import sys
import threading

from cluster.tracking.process import END_SECONDS, MARK
from cluster.tracking.sender import Sender

NICENESS = 10  # leaves the CPUs to the computing threads, but for a tenth: importing MLflow takes seconds
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # as batch systems send to all processes: it ends after its driver has


def main() -> None:
    """Send until standard input ends, which it also does when the driver dies, and at most END_SECONDS longer."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICENESS)
    messages = logging.StreamHandler(sys.stdout)
    messages.setFormatter(logging.Formatter(f"{MARK}%(levelno)s %(message)s"))
    logger = logging.getLogger(__package__)
    logger.addHandler(messages)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    settings = json.loads(sys.stdin.readline())
    closing, words = threading.Event(), []

    def listen() -> None:
        words.append(sys.stdin.readline().strip())
        signal.alarm(END_SECONDS)  # ends this process, whatever hangs
        closing.set()

    threading.Thread(target=listen, daemon=True).start()
    Sender(**settings).run(closing, lambda: words[0])


if __name__ == "__main__":
    main()
