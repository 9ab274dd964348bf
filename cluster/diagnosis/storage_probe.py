"""What nodes do with the storage to find out whether a run can live there. Everything happens in one folder, which is deleted."""

import contextlib
import hashlib
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cluster.diagnosis.nodes import bounded
from ringcycle.storage.location import Location, child, reason
from ringcycle.storage.store import Store

FILE_BYTES = 64 * 1024
BLOCK = 2**20
FIRST_BYTES = 4 * 2**20
LATE_SECONDS = 5.0  # for which readers wait for what others have written
CLEAN_SECONDS = 10.0
ABSENT = "absent"
"""Instead of an error: the folder is not there."""


@dataclass(frozen=True)
class Written:
    """A small file, written atomically and replaced. fact: why that failed; ABSENT; or empty. seconds: of the second write."""

    fact: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Read:
    """Which of the files are `missing` or not what was written; after how many seconds the last of the others was seen."""

    missing: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Upload:
    """How many bytes reached the storage, in how many seconds. fact: why none did, or empty."""

    bytes: int
    seconds: float
    fact: str = ""


@contextlib.contextmanager
def scratch_folder(storage: Location) -> Iterator[Location]:
    """A folder of these checks' own in the storage. Deletes it at the end, and folders above it that were made for it and are empty."""
    folder = child(storage, f".doctor-{uuid.uuid4().hex[:8]}")
    if isinstance(folder, Path):
        folder.mkdir()
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):
            bounded(Store(folder).delete_all, CLEAN_SECONDS)


@contextlib.contextmanager
def empty_again(folder: Path) -> Iterator[None]:
    """At the end remove `folder`, and those above it that were missing before, as far as they are empty."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            for path in made:
                path.rmdir()


def content_of(name: str, version: int) -> bytes:
    """FILE_BYTES that nobody else writes."""
    return hashlib.shake_128(f"{name} {version}".encode()).digest(FILE_BYTES)


def write_twice(folder: Location, name: str) -> Written:
    """Write a file, then replace it, and read it back."""
    store = Store(folder)
    if store.local is not None and not store.local.is_dir():
        return Written(ABSENT)
    try:
        store.write(name, content_of(name, 1))
        began = time.perf_counter()
        store.write(name, content_of(name, 2))
        seconds = time.perf_counter() - began
        if store.read(name) != content_of(name, 2):
            return Written("a file that was replaced reads as before")
    except OSError as error:
        return Written(reason(error))
    return Written("", seconds)


def read_all(folder: Location, names: Sequence[str]) -> Read:
    """Read what other nodes have written. A file that is missing or old is looked for again, for LATE_SECONDS."""
    store, began = Store(folder), time.monotonic()
    missing, seen = list(names), 0.0
    while True:
        now = time.monotonic() - began
        left = [name for name in missing if not _is_complete(store, name)]
        if len(left) < len(missing):
            missing, seen = left, now
        if not missing or now > LATE_SECONDS:
            return Read(tuple(missing), seen)
        time.sleep(0.5)


def upload(folder: Location, name: str, size: int, seconds: float) -> Upload:
    """Write a file as a checkpoint's part is written, and delete it: FIRST_BYTES, then as much as takes `seconds`, at most `size` bytes."""
    done = _uploaded(folder, name, min(size, FIRST_BYTES))
    more = min(size, int(done.bytes / max(done.seconds, 1e-9) * seconds))
    return _uploaded(folder, name, more) if more > done.bytes else done


def _uploaded(folder: Location, name: str, size: int) -> Upload:
    store, block = Store(folder), os.urandom(min(size, BLOCK))

    def write(file: BinaryIO) -> None:
        for begin in range(0, size, BLOCK):
            file.write(block[: size - begin])

    began = time.perf_counter()
    try:
        store.write_with(name, write)
        taken = time.perf_counter() - began
        store.delete(name)
    except OSError as error:
        return Upload(0, 0.0, reason(error))
    return Upload(size, taken)


def _is_complete(store: Store, name: str) -> bool:
    try:
        return store.read(name) == content_of(name, 2)
    except OSError:
        return False
