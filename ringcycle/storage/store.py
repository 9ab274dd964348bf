"""Folders of files wherever they lie: on a disk, on a mounted file system, or below a prefix of an object store."""

import contextlib
import errno
import functools
import hashlib
import io
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import unquote

from pyarrow import fs

from ringcycle.errors import UserError
from ringcycle.storage.atomic import sha256, sync_file, sync_folder, write_atomic
from ringcycle.storage.location import Location, reason, redacted, shown
from ringcycle.storage.range_reader import RangeReader
from ringcycle.storage.retry import ATTEMPTS, persistently

Answer = TypeVar("Answer")
SCHEMES = ("file://", "s3://", "gs://", "gcs://", "hdfs://")
READ_AHEAD = 4 * 2**20  # bytes of a remote file that is read in small pieces


@dataclass(frozen=True)
class Store:
    """The files of a folder by name ("trainA-00000.arrow", "trainA/x.jpg"). Cheap to make, travels between processes.

    Object stores are asked again when they fail for a moment (`retry`). All methods raise OSError, with the object store's own words.
    """

    place: Location

    @property
    def local(self) -> Path | None:
        """The folder as a path, if it is one."""
        filesystem, root = _open(self.place)
        return Path(root) if isinstance(filesystem, fs.LocalFileSystem) else None

    def label(self, name: str = "") -> str:
        """How the folder, or a file of it, is named to the user: without keys and query."""
        if self.local is not None:
            return str(self.local / name)
        folder = shown(self.place)
        return f"{folder}/{name}" if name else folder

    def read(self, name: str) -> bytes:
        """All bytes of a file."""
        if self.local is not None:
            return (self.local / name).read_bytes()

        def read() -> bytes:
            with self._filesystem.open_input_stream(self._path(name)) as file:
                return bytes(file.read())

        return self._ask(read, name)

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """At most `length` bytes from `offset` on; fewer at the end of the file."""

        def read() -> bytes:
            with self._filesystem.open_input_file(self._path(name)) as file:
                return bytes(file.read_at(min(length, max(0, file.size() - offset)), offset))

        return self._ask(read, name)

    def open(self, name: str) -> BinaryIO:
        """A file to read and seek in. Of an object store, only what is read is fetched, READ_AHEAD bytes at a time."""
        if self.local is not None:
            return (self.local / name).open("rb")
        size = self.size(name)
        if size is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.label(name))
        return io.BufferedReader(RangeReader(size, lambda offset, length: self.read_range(name, offset, length)), READ_AHEAD)

    def write(self, name: str, content: bytes | memoryview, sync: bool = True) -> None:
        """Write a file whole or not at all: a store shows it when the last byte is there, on a disk it is written beside and renamed.

        sync: as of `write_atomic`; until `sync`, a loss of power may leave a torn file.
        """
        self.write_by(name, lambda file: file.write(content), sync)

    def sync(self, names: Iterable[str]) -> None:
        """Bring files to the disk that were written without."""
        if self.local is not None:
            for name in names:
                sync_file(self.local / name)
            sync_folder(self.local)

    def write_by(self, name: str, write: Callable[[BinaryIO], object], sync: bool = True) -> None:
        """Let `write` fill a file; for another attempt it begins again. Where it fails for good, a store may show a torn object."""
        if self.local is not None:
            write_atomic(self.local / name, write, sync)
            return

        def upload() -> None:
            with self._filesystem.open_output_stream(self._path(name)) as file:
                write(file)

        self._ask(upload, name)

    def rename(self, name: str, other: str) -> None:
        """Give a file another name in the folder, in place of one that has it. In an object store both are there for a moment."""
        if self.local is not None:
            os.replace(self.local / name, self.local / other)
            return
        self.write(other, self.read(name))
        self.delete(name)

    def delete(self, name: str) -> None:
        """Delete a file; no error if there is none."""
        if self.local is not None:
            (self.local / name).unlink(missing_ok=True)
            return

        def delete() -> None:
            with contextlib.suppress(FileNotFoundError):
                self._filesystem.delete_file(self._path(name))

        self._ask(delete, name)

    def delete_all(self) -> None:
        """Delete the folder with all that is in it; on a disk as far as that can be."""
        if self.local is not None:
            shutil.rmtree(self.local, ignore_errors=True)
            return
        for info in self.entries(recursive=True):
            if info.type == fs.FileType.File:
                self.delete(info.path.removeprefix(f"{self.root}/"))
        with contextlib.suppress(OSError):  # an empty object that stands for the folder; not every store has one, nor says so alike
            self._filesystem.delete_dir(self.root)

    def folders(self) -> dict[str, set[str]]:
        """The names of what lies in each of the folder's folders."""
        if self.local is not None:
            return {folder: set(_names(self.local / folder)) for folder in _names(self.local) if (self.local / folder).is_dir()}
        found: dict[str, set[str]] = {}
        for info in self.entries(recursive=True):
            folder, mark, name = info.path.removeprefix(f"{self.root}/").partition("/")
            if mark and info.type == fs.FileType.File and "/" not in name:
                found.setdefault(folder, set()).add(name)
        return found

    def size(self, name: str, attempts: int = ATTEMPTS) -> int | None:
        """Bytes of a file, None if there is none."""
        info = self._ask(lambda: self._filesystem.get_file_info(self._path(name)), name, attempts)
        return info.size if info.type == fs.FileType.File else None

    def entries(self, folder: str = "", *, recursive: bool = False, attempts: int = ATTEMPTS) -> list[fs.FileInfo]:
        """What lies in the folder, or in a folder of it, with full paths; empty if it does not exist."""
        selector = fs.FileSelector(self._path(folder), recursive=recursive, allow_not_found=True)
        return list(self._ask(lambda: self._filesystem.get_file_info(selector), folder, attempts))

    def names(self) -> list[str]:
        """Names of the files in the folder, sorted; not those of its folders."""
        return sorted(info.base_name for info in self.entries() if info.type == fs.FileType.File)

    def kind(self, attempts: int = ATTEMPTS) -> fs.FileType:
        """Whether the place is a folder, a file or nothing."""
        return self._ask(lambda: self._filesystem.get_file_info(self.root), "", attempts).type

    def sha256(self, name: str) -> str:
        """Checksum of a file's bytes, 64 hexadecimal digits."""
        return sha256(self.local / name) if self.local is not None else hashlib.sha256(self.read(name)).hexdigest()

    @property
    def root(self) -> str:
        """The folder's path as its file system knows it."""
        return _open(self.place)[1]

    @property
    def _filesystem(self) -> fs.FileSystem:
        return _open(self.place)[0]

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}" if name else self.root

    def _ask(self, question: Callable[[], Answer], name: str, attempts: int = ATTEMPTS) -> Answer:
        return question() if self.local is not None else persistently(question, self.label(name), attempts)


@contextlib.contextmanager
def reading(place: Location, field: str) -> Iterator[None]:
    """Tell an OSError as the UserError that the folder which `field` names cannot be read."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{field} = {shown(place)} cannot be read ({reason(error)}): mend that, and start again") from error


@contextlib.contextmanager
def writing(place: Location, name: str = "") -> Iterator[None]:
    """Tell an OSError as the UserError that a folder, or a file of it, cannot be written."""
    try:
        yield
    except OSError as error:
        fact = f"{Store(place).label(name)} cannot be written ({reason(error)})"
        raise UserError(f"{fact}: make room there, or name another folder") from error


def parent_and_name(place: Location) -> tuple[Store, str]:
    """The folder of a file, and the file's name in it."""
    if isinstance(place, Path) or "://" not in place:
        return Store(Path(place).parent), Path(place).name
    base, mark, query = place.partition("?")
    folder, _, name = base.rpartition("/")
    return Store(folder + mark + query), unquote(name)


def _names(folder: Path) -> list[str]:
    """Names in a folder; none of one that is deleted meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        return os.listdir(folder)
    return []


@functools.lru_cache(maxsize=64)
def _open(place: Location) -> tuple[fs.FileSystem, str]:
    """A place's file system, and its path there. Raises UserError for a URI that names none."""
    if isinstance(place, Path) or "://" not in place:
        return fs.LocalFileSystem(), str(Path(place).absolute())
    if not place.startswith(SCHEMES):
        raise UserError(f'"{redacted(place)}" is of an unknown kind: name a folder, or a place that starts with s3://, gs:// or hdfs://')
    base, mark, query = place.partition("?")
    scheme, _, rest = base.partition("://")
    bucket, _, path = rest.partition("/")
    try:
        if scheme in ("s3", "gs", "gcs"):  # one connection to a bucket for all places in it
            filesystem, root = _connect(f"{scheme}://{bucket}{mark}{query}")
            root = f"{root}/{unquote(path)}" if path else root
        else:
            filesystem, root = fs.FileSystem.from_uri(place)
    except (OSError, ValueError) as error:
        raise UserError(f'"{redacted(place)}" cannot be opened ({redacted(error).splitlines()[0]}): mend the address') from error
    return filesystem, root.rstrip("/")


@functools.lru_cache(maxsize=16)
def _connect(bucket: str) -> tuple[fs.FileSystem, str]:
    """The file system of an object store's bucket. Small S3 objects are written by one request, not by the three of an upload in parts."""
    option = "allow_delayed_open="
    if bucket.startswith("s3://") and option not in bucket:
        bucket += f"{'&' if '?' in bucket else '?'}{option}true"
    return tuple(fs.FileSystem.from_uri(bucket))
