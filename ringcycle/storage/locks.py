"""Taking turns, where the file system lets processes do so."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait until no other process holds the lock file `path`.

    Some shared file systems have no locks, and some only pretend: whoever uses this must stay right, if slower, without it.
    """
    lock = FileLock(path)
    try:
        lock.acquire()
    except NotImplementedError:  # filelock's answer to ENOSYS
        yield
        return
    try:
        yield
    finally:
        lock.release()
