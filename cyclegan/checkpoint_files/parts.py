"""One rank's file of arrays: written with a receipt, or with a request for room if the disk is full, and read back."""

import contextlib
import hashlib
import io
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from cyclegan.checkpoint_files.arrays import UNREADABLE, ArrayKind, check_part, read_part
from cyclegan.checkpoint_files.damage import DamagedCheckpoint, one_line, reading
from cyclegan.checkpoint_files.index import Part, encode
from cyclegan.checkpoint_files.names import part_file, receipt_file, room_request_file
from ringcycle.storage.location import Location
from ringcycle.storage.store import Store


def write_part(folder: Location, rank: int, token: str, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write one rank's arrays, then a receipt with their checksum. token: see `part_file`.

    Creates `folder`, but not what is above it: a storage that is gone must not be written to its mount point. Raises OSError.
    """
    store, name, written = Store(folder), part_file(rank, token), _Counted()
    if store.local is not None:
        store.local.mkdir(exist_ok=True)

    def write(file: BinaryIO) -> None:
        written.begin(file)
        np.savez(written, allow_pickle=False, **arrays)  # type: ignore[arg-type]

    store.write_with(name, write)
    store.write(receipt_file(rank, token), encode(Part(file=name, bytes=written.bytes, sha256=written.digest.hexdigest())))


def has_receipt(folder: Location, rank: int, token: str) -> bool:
    """Whether the part of this rank and attempt is there, and no index names it yet."""
    return Store(folder).size(receipt_file(rank, token)) is not None


def written_parts(folder: Location, workers: int, token: str) -> list[Part] | None:
    """The parts of all ranks, or None while one is missing."""
    if not all(has_receipt(folder, rank, token) for rank in range(workers)):
        return None
    return [Part.model_validate_json(Store(folder).read(receipt_file(rank, token))) for rank in range(workers)]


def request_room(folder: Location, rank: int, token: str) -> None:
    """Let rank 0 know, by an empty file, that the part of this rank does not fit; even a full disk usually has room for the file."""
    Store(folder).write(room_request_file(rank, token), b"", sync=False)


def has_room_request(folder: Location, rank: int, token: str) -> bool:
    """Whether this rank is waiting for room."""
    return Store(folder).size(room_request_file(rank, token)) is not None


def clear_room_request(folder: Location, rank: int, token: str) -> None:
    """Let a rank that requested room retry."""
    Store(folder).delete(room_request_file(rank, token))


def check_arrays(folder: Location, part: Part, expected: Mapping[str, ArrayKind]) -> None:
    """Check size, checksum and the headers of all arrays; those that `expected` names must be of its kinds.

    Raises DamagedCheckpoint.
    """
    store = Store(folder)
    path = store.label(part.file)
    with reading(folder, part.file):
        size = store.size(part.file)
        if size is None:
            raise DamagedCheckpoint(f"{path}: missing")
        if size != part.bytes:
            raise DamagedCheckpoint(f"{path}: {size} bytes, {part.bytes} were written")
        if store.sha256(part.file) != part.sha256:
            raise DamagedCheckpoint(f"{path}: its checksum differs from the one written")
    with _reading_part(folder, part), store.open(part.file) as stream:
        check_part(stream, expected)


def read_arrays(folder: Location, part: Part, names: tuple[str, ...] | None = None) -> dict[str, npt.NDArray[Any]]:
    """Arrays of one part by name; only `names` if given. Raises DamagedCheckpoint if one is missing or the file is no such part."""
    with _reading_part(folder, part), Store(folder).open(part.file) as stream:
        return read_part(stream, names, {})


@contextlib.contextmanager
def _reading_part(folder: Location, part: Part) -> Iterator[None]:
    """Raise DamagedCheckpoint if the file is not the archive of arrays that it should be."""
    with reading(folder, part.file):
        try:
            yield
        except UNREADABLE as error:
            raise DamagedCheckpoint(f"{Store(folder).label(part.file)}: {one_line(error) or type(error).__name__}") from error


class _Counted(io.RawIOBase):
    """A stream into a file that counts and hashes what goes through: the checksum is of the intended bytes, and none is read back."""

    def begin(self, file: BinaryIO) -> None:
        self._file, self.bytes, self.digest = file, 0, hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._file.write(data)
        self.digest.update(data)
        self.bytes += memoryview(data).nbytes
        return memoryview(data).nbytes
