"""Parts of shards fetched from an object store, kept on a node's own disk and shared by its processes."""

import contextlib
import itertools
import logging
import os
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from filelock import Timeout

from ringcycle.storage.locks import locked
from ringcycle.user_cache import user_cache

GIB = 2**30
_FULL, _SWEPT = 0.9, 0.8  # shares of the limit: above the first, sweep down to the second
_CHECK_EVERY = 0.01  # share of the limit that one process writes between two looks at the folder: ten processes at once stay within it
_STALE_SECONDS = 3600.0  # age at which an unfinished file counts as abandoned
_PATIENCE = 10.0  # seconds to wait for another process's sweep
_CRC = 4
_number = itertools.count()
_warning = threading.Lock()
_warned: set[tuple[Path, str]] = set()
log = logging.getLogger(__name__)


class CacheSettings(NamedTuple):
    """Where on each node's disk the cache lies, and how many GiB it may take."""

    folder: Path
    gib: float


def cache_settings(folder: str, gib: float) -> CacheSettings:
    """The cache of this node; without a folder, one in this user's cache folder. Raises UserError if others can write to it."""
    chosen = Path(folder).expanduser().absolute() if folder else user_cache() / "shards"
    return CacheSettings(chosen, gib)


class ShardCache:
    """Bytes by key; the least recently used are deleted first. Entries carry a checksum, and a damaged one is fetched again.

    Any number of processes may share one folder. An entry is a file, written under a temporary name and renamed; its modification time
    is its last use.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        """limit: bytes."""
        self._folder, self._limit = folder, limit
        self._unseen = limit  # bytes written since the last look; unknown at the start, because others write too

    def get(self, key: str, fetch: Callable[[], bytes]) -> bytes:
        """The bytes of a key, from the disk or else from `fetch`, and then kept. Raises what `fetch` raises.

        If they cannot be kept, the process logs one warning and reads on without the cache.
        """
        path = self._folder / key[:2] / key
        content = _read(path)
        if content is None:
            content = fetch()
            try:
                self._keep(path, content)
            except OSError as error:
                _warn_once(self._folder, error.strerror or str(error))
        return content

    def forget(self, key: str) -> None:
        """Delete an entry, if there is one."""
        (self._folder / key[:2] / key).unlink(missing_ok=True)

    def _keep(self, path: Path, content: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{next(_number)}")
        try:
            with open(temporary, "xb", opener=_private) as file:
                file.write(content)
                file.write(zlib.crc32(content).to_bytes(_CRC, "little"))
            temporary.replace(path)  # not flushed to the disk first: after a power failure the checksum shows the damage
        finally:
            temporary.unlink(missing_ok=True)
        self._unseen += len(content)
        if self._unseen > _CHECK_EVERY * self._limit:
            self._unseen = 0
            self._sweep()

    def _sweep(self) -> None:
        """Delete the oldest entries if there are too many; one process at a time."""
        with contextlib.suppress(Timeout), locked(self._folder / ".lock", timeout=_PATIENCE, report=False):
            entries = sorted(self._entries())
            total = sum(size for _, size, _ in entries)
            if total <= _FULL * self._limit:
                return
            for _, size, path in entries:
                if total <= _SWEPT * self._limit:
                    return
                Path(path).unlink(missing_ok=True)
                total -= size

    def _entries(self) -> list[tuple[int, int, str]]:
        """(last use in ns, bytes, path) of each entry; abandoned files count as the oldest."""
        found = []
        for folder in self._folder.iterdir():
            if folder.is_dir():
                with os.scandir(folder) as files:
                    for file in files:
                        with contextlib.suppress(FileNotFoundError):
                            stat = file.stat()
                            stale = file.name.startswith(".") and time.time() - stat.st_mtime > _STALE_SECONDS
                            found.append((0 if stale else stat.st_mtime_ns, stat.st_size, file.path))
        return found


def _private(path: str, flags: int) -> int:
    """Opens a file that only its owner may read: an object store's images may be nobody else's business."""
    return os.open(path, flags, 0o600)


def _warn_once(folder: Path, fact: str) -> None:
    """Log what is wrong with a folder, once per process however many threads find it."""
    with _warning:
        new = (folder, fact) not in _warned
        _warned.add((folder, fact))
    if new:
        log.warning("the shard cache %s on %s cannot be written (%s): reading without it", folder, os.uname().nodename, fact)


def _read(path: Path) -> bytes | None:
    """The bytes of an entry, which is marked as just used; None if there is none, or if it is damaged."""
    try:
        with path.open("rb") as file:
            stored = file.read()
        os.utime(path)
    except OSError:
        return None
    content = stored[:-_CRC]
    return content if stored[-_CRC:] == zlib.crc32(content).to_bytes(_CRC, "little") else None
