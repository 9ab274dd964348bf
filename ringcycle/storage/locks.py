"""Mutual exclusion between processes, where the file system supports it."""

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

REPORT_AFTER = 3.0
"""Seconds of waiting after which one line is logged."""

log = logging.getLogger(__name__)


_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}


@contextmanager
def locked(path: Path, *, timeout: float = -1, report: bool = True) -> Iterator[None]:
    """Wait until no other process holds the lock file `path`, then hold it.

    Some shared file systems have no locks, others only pretend to: the caller must stay correct, if slower, without one.
    timeout: seconds after which filelock.Timeout is raised; negative: never. report: log a wait of more than REPORT_AFTER seconds.
    """
    lock = FileLock(path)
    try:
        _acquire(lock, path, timeout, report)
    except (NotImplementedError, OSError) as error:  # filelock turns ENOSYS into NotImplementedError
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _acquire(lock: BaseFileLock, path: Path, timeout: float, report: bool) -> None:
    if not report or 0 <= timeout <= REPORT_AFTER:
        lock.acquire(timeout=timeout)
        return
    try:
        lock.acquire(timeout=REPORT_AFTER)
    except Timeout:
        log.warning("%s has been locked by another process for %.0f s; waiting", path, REPORT_AFTER)
        lock.acquire(timeout=timeout)
