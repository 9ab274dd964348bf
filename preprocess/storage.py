"""Folders of files wherever they lie: on a disk, on a mounted file system, or below a prefix of an object store."""

import contextlib
import functools
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, unquote

from pyarrow import fs

from preprocess.errors import UserError
from preprocess.files import sha256, write_atomic
from preprocess.retry import ATTEMPTS, persistently

Place = Path | str
"""A folder: a path, or a URI of an object store, perhaps with keys and a query (s3://KEY:SECRET@bucket/prefix?region=…)."""

Answer = TypeVar("Answer")
SCHEMES = ("file://", "s3://", "gs://", "gcs://", "hdfs://")
_KEYS = re.compile(r"://(?:[^/@:\s]*:[^@\s]*|[^/@\s]+)@")


def redacted(text: object) -> str:
    """The text without the keys of the URIs in it: what may be shown, logged and kept in files."""
    return _KEYS.sub("://***@", str(text))


def reason(error: OSError) -> str:
    """What went wrong, in one line without keys."""
    return redacted(error.strerror or error).partition("\n")[0]


def is_remote(place: Place) -> bool:
    """Whether a place is no path that this machine's own file system knows."""
    return isinstance(place, str) and "://" in place and not place.startswith("file://")


def child(place: Place, name: str) -> Place:
    """The folder or file `name` below a place; a URI's query stays at its end."""
    if isinstance(place, Path) or "://" not in place:
        return Path(place) / name
    base, mark, query = place.partition("?")
    return f"{base.rstrip('/')}/{quote(name)}{mark}{query}"


@dataclass(frozen=True)
class Store:
    """The files of a folder by name ("trainA-00000.arrow", "trainA/x.jpg"). Cheap to make, travels between processes.

    Object stores are asked again when they fail for a moment (`retry`). All methods raise OSError, with the object store's own words.
    """

    place: Place

    @property
    def local(self) -> Path | None:
        """The folder as a path, if it is one."""
        filesystem, root = _open(self.place)
        return Path(root) if isinstance(filesystem, fs.LocalFileSystem) else None

    def label(self, name: str = "") -> str:
        """How the folder, or a file of it, is named to the user: without keys and query."""
        if self.local is not None:
            return str(self.local / name)
        folder = redacted(self.place).partition("?")[0].rstrip("/")
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

    def write(self, name: str, content: bytes | memoryview) -> None:
        """Write a file whole or not at all: a store shows it when the last byte is there, on a disk it is written beside and renamed."""
        if self.local is not None:
            write_atomic(self.local / name, lambda file: file.write(content))
            return

        def write() -> None:
            with self._filesystem.open_output_stream(self._path(name)) as file:
                file.write(content)

        self._ask(write, name)

    def delete(self, name: str) -> None:
        """Delete a file; no error if there is none."""

        def delete() -> None:
            with contextlib.suppress(FileNotFoundError):
                self._filesystem.delete_file(self._path(name))

        self._ask(delete, name)

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
def writing(place: Place, name: str = "") -> Iterator[None]:
    """Tell an OSError as the UserError that a folder, or a file of it, cannot be written."""
    try:
        yield
    except OSError as error:
        fact = f"{Store(place).label(name)} cannot be written ({reason(error)})"
        raise UserError(f"{fact}: make room there, or name another folder") from error


def parent_and_name(place: Place) -> tuple[Store, str]:
    """The folder of a file, and the file's name in it."""
    if isinstance(place, Path) or "://" not in place:
        return Store(Path(place).parent), Path(place).name
    base, mark, query = place.partition("?")
    folder, _, name = base.rpartition("/")
    return Store(folder + mark + query), unquote(name)


@functools.lru_cache(maxsize=64)
def _open(place: Place) -> tuple[fs.FileSystem, str]:
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
