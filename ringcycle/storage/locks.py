"""Mutual exclusion between processes, where the file system supports it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

REPORT_AFTER = 3.0
"""Seconds of waiting after which one line is logged."""

log = logging.getLogger(__name__)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait until no other process holds the lock file `path`, then hold it.

    Some shared file systems have no locks, others only pretend to: the caller must stay correct, if slower, without one.
    A wait of more than REPORT_AFTER seconds is logged once, as a warning.
    """
    lock = FileLock(path)
    try:
        try:
            lock.acquire(timeout=REPORT_AFTER)
        except Timeout:
            log.warning("%s has been locked by another process for %.0f s; waiting", path, REPORT_AFTER)
            lock.acquire()
    except NotImplementedError:  # filelock's answer to ENOSYS
        yield
        return
    try:
        yield
    finally:
        lock.release()
