"""Parts of shards that came from an object store, kept on a node's own disk, which its processes share."""

import contextlib
import itertools
import logging
import os
import tempfile
import time
import zlib
from collections.abc import Callable
from getpass import getuser
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

_log = logging.getLogger(__name__)

GIB = 2**30
_FULL, _SWEPT = 0.9, 0.8  # shares of the limit: above the first, sweep down to the second
_CHECK_EVERY = 0.01  # share of the limit that one process writes between looks at the whole: ten processes at once stay within it
_STALE_SECONDS = 3600.0  # age at which a file that was never finished counts as left behind
_PATIENCE = 10.0  # seconds for which to wait for another process's sweep
_CRC = 4
_number = itertools.count()


class CacheSettings(NamedTuple):
    """Where on each node's disk the cache lies, and how many GiB it may take."""

    folder: Path
    gib: float


def cache_settings(folder: str, gib: float) -> CacheSettings:
    """The cache of this node; no folder: one of this user below the node's temporary folder."""
    default = Path(tempfile.gettempdir()) / f"ringcycle-{getuser()}" / "shards"
    return CacheSettings(Path(folder).expanduser().absolute() if folder else default, gib)


class ShardCache:
    """Bytes by key, the least recently used deleted first. Whole, checked bytes or none: a damaged entry is fetched again.

    Any number of processes may use one folder; an entry is a file, written beside and renamed, used when its time of change says.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        """limit: bytes."""
        self._folder, self._limit = folder, limit
        self._unseen = limit  # bytes written since the last look; at the start others' are unknown
        self._said = False

    def get(self, key: str, fetch: Callable[[], bytes]) -> bytes:
        """The bytes of a key, from the disk or else from `fetch`, and then kept. Raises what `fetch` raises; a full disk is no error."""
        path = self._folder / key[:2] / key
        content = _read(path)
        if content is None:
            content = fetch()
            try:
                self._keep(path, content)
            except OSError as error:
                if not self._said:
                    self._said = True
                    _log.warning("the cache %s cannot be written (%s): reading on without it", self._folder, error.strerror)
        return content

    def forget(self, key: str) -> None:
        """Delete an entry, if there is one."""
        (self._folder / key[:2] / key).unlink(missing_ok=True)

    def _keep(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}.{next(_number)}")
        try:
            with beside.open("wb") as file:
                file.write(content)
                file.write(zlib.crc32(content).to_bytes(_CRC, "little"))
            beside.replace(path)  # Not brought to the disk first: after a loss of power the checksum tells.
        finally:
            beside.unlink(missing_ok=True)
        self._unseen += len(content)
        if self._unseen > _CHECK_EVERY * self._limit:
            self._unseen = 0
            self._sweep()

    def _sweep(self) -> None:
        """Delete the oldest entries if there are too many; processes do so one after the other."""
        with contextlib.suppress(Timeout), FileLock(self._folder / ".lock", timeout=_PATIENCE):
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
        """(last use in ns, bytes, path) of each entry; what was never finished counts as the oldest."""
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


def _read(path: Path) -> bytes | None:
    """An entry, marked as just used; None if there is none, or it is damaged."""
    try:
        with path.open("rb") as file:
            whole = file.read()
        os.utime(path)
    except OSError:
        return None
    content = whole[:-_CRC]
    return content if whole[-_CRC:] == zlib.crc32(content).to_bytes(_CRC, "little") else None
