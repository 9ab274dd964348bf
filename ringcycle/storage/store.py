"""Folders of files: on a disk, on a mounted file system, or below a prefix of an object store."""

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
from typing import Any, BinaryIO, TypeVar
from urllib.parse import parse_qs, unquote

from pyarrow import fs

from ringcycle.credentials import credential, holds_credentials
from ringcycle.errors import UserError
from ringcycle.storage.atomic import sha256, sync_file, sync_folder, write_atomic
from ringcycle.storage.location import Location, reason, redacted, shown
from ringcycle.storage.retry import ATTEMPTS, with_retries

Result = TypeVar("Result")
SCHEMES = ("file://", "s3://", "gs://", "gcs://", "hdfs://")
READ_AHEAD = 4 * 2**20  # bytes fetched at a time from a remote file that is read in small pieces


@dataclass(frozen=True)
class Store:
    """The files of a folder by name ("trainA-00000.arrow", "trainA/x.jpg"). Cheap to make, can be pickled.

    Requests to object stores are retried after temporary failures (`retry`). All methods raise OSError, with the object store's own text.
    """

    location: Location

    @property
    def local(self) -> Path | None:
        """The folder's path on a local file system; None in an object store."""
        filesystem, root = _open(self.location)
        return Path(root) if isinstance(filesystem, fs.LocalFileSystem) else None

    def label(self, name: str = "") -> str:
        """The folder, or a file in it, as shown to the user: without credentials and query."""
        if self.local is not None:
            return str(self.local / name)
        folder = shown(self.location)
        return f"{folder}/{name}" if name else folder

    def read(self, name: str) -> bytes:
        """All bytes of a file."""
        if self.local is not None:
            return (self.local / name).read_bytes()

        def read() -> bytes:
            with self._filesystem.open_input_stream(self._path(name)) as file:
                return bytes(file.read())

        return self._request(read, name)

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """`length` bytes starting at `offset`; fewer at the end of the file."""

        def read() -> bytes:
            with self._filesystem.open_input_file(self._path(name)) as file:
                return bytes(file.read_at(min(length, max(0, file.size() - offset)), offset))

        return self._request(read, name)

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading and seeking. From an object store, only what is read is fetched, READ_AHEAD bytes at a time."""
        if self.local is not None:
            return (self.local / name).open("rb")
        size = self.size(name)
        if size is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.label(name))
        return io.BufferedReader(_RangeReader(size, lambda offset, length: self.read_range(name, offset, length)), READ_AHEAD)

    def write(self, name: str, content: bytes | memoryview, sync: bool = True) -> None:
        """Write a file atomically: an object store shows it once it is complete, on a disk a temporary file is renamed.

        sync: as in `write_atomic`; if False, a power failure before `sync` may leave a truncated file.
        """
        self.write_with(name, lambda file: file.write(content), sync)

    def sync(self, names: Iterable[str]) -> None:
        """Flush files to disk that were written with sync=False."""
        if self.local is not None:
            for name in names:
                sync_file(self.local / name)
            sync_folder(self.local)

    def write_with(self, name: str, write: Callable[[BinaryIO], object], sync: bool = True) -> None:
        """Let `write` fill a file; a retry calls it again from the start. If it fails for good, a store may show a truncated object."""
        if self.local is not None:
            write_atomic(self.local / name, write, sync)
            return

        def upload() -> None:
            with self._filesystem.open_output_stream(self._path(name)) as file:
                write(file)

        self._request(upload, name)

    def rename(self, name: str, other: str) -> None:
        """Rename a file in the folder, replacing any file of that name. In an object store both exist for a moment."""
        if self.local is not None:
            os.replace(self.local / name, self.local / other)
            return
        self.write(other, self.read(name))
        self.delete(name)

    def delete(self, name: str) -> None:
        """Delete a file; no error if it does not exist."""
        if self.local is not None:
            (self.local / name).unlink(missing_ok=True)
            return

        def delete() -> None:
            with contextlib.suppress(FileNotFoundError):
                self._filesystem.delete_file(self._path(name))

        self._request(delete, name)

    def delete_all(self) -> None:
        """Delete the folder and everything in it; errors on a disk are ignored."""
        if self.local is not None:
            shutil.rmtree(self.local, ignore_errors=True)
            return
        for info in self.entries(recursive=True):
            if info.type == fs.FileType.File:
                self.delete(info.path.removeprefix(f"{self.root}/"))
        with contextlib.suppress(OSError):  # the empty object that marks the folder: not all stores have one, and their errors differ
            self._filesystem.delete_dir(self.root)

    def folders(self) -> dict[str, set[str]]:
        """The names in each subfolder, by subfolder."""
        if self.local is not None:
            return {folder: set(_names(self.local / folder)) for folder in _names(self.local) if (self.local / folder).is_dir()}
        found: dict[str, set[str]] = {}
        for info in self.entries(recursive=True):
            folder, mark, name = info.path.removeprefix(f"{self.root}/").partition("/")
            if mark and info.type == fs.FileType.File and "/" not in name:
                found.setdefault(folder, set()).add(name)
        return found

    def size(self, name: str, attempts: int = ATTEMPTS) -> int | None:
        """Bytes of a file, None if it does not exist."""
        info = self._request(lambda: self._filesystem.get_file_info(self._path(name)), name, attempts)
        return info.size if info.type == fs.FileType.File else None

    def entries(self, folder: str = "", *, recursive: bool = False, attempts: int = ATTEMPTS) -> list[fs.FileInfo]:
        """The files and folders in the folder, or in a subfolder, with full paths; empty if it does not exist."""
        selector = fs.FileSelector(self._path(folder), recursive=recursive, allow_not_found=True)
        return list(self._request(lambda: self._filesystem.get_file_info(selector), folder, attempts))

    def names(self) -> list[str]:
        """Names of the files in the folder, sorted, without its subfolders."""
        return sorted(info.base_name for info in self.entries() if info.type == fs.FileType.File)

    def kind(self, attempts: int = ATTEMPTS) -> fs.FileType:
        """Whether the location is a folder, a file or nothing."""
        return self._request(lambda: self._filesystem.get_file_info(self.root), "", attempts).type

    def sha256(self, name: str) -> str:
        """SHA-256 of a file's bytes, 64 hexadecimal digits."""
        return sha256(self.local / name) if self.local is not None else hashlib.sha256(self.read(name)).hexdigest()

    @property
    def root(self) -> str:
        """The folder's path within its file system."""
        return _open(self.location)[1]

    @property
    def _filesystem(self) -> fs.FileSystem:
        return _open(self.location)[0]

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}" if name else self.root

    def _request(self, act: Callable[[], Result], name: str, attempts: int = ATTEMPTS) -> Result:
        return act() if self.local is not None else with_retries(act, self.label(name), attempts)


@contextlib.contextmanager
def reading(location: Location, field: str) -> Iterator[None]:
    """Turn an OSError into the UserError that `location`, named by the setting `field`, cannot be read."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{field} = {shown(location)} cannot be read ({reason(error)}): fix this and rerun") from error


@contextlib.contextmanager
def writing(location: Location, name: str = "") -> Iterator[None]:
    """Turn an OSError into the UserError that a folder, or a file in it, cannot be written."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{Store(location).label(name)} cannot be written ({reason(error)}): fix this, or name another folder") from error


def parent_and_name(location: Location) -> tuple[Store, str]:
    """The folder that holds a file, and the file's name in it."""
    if isinstance(location, Path) or "://" not in location:
        return Store(Path(location).parent), Path(location).name
    base, mark, query = location.partition("?")
    folder, _, name = base.rpartition("/")
    return Store(folder + mark + query), unquote(name)


def _names(folder: Path) -> list[str]:
    """Names in a folder; empty if it has been deleted in the meantime."""
    with contextlib.suppress(FileNotFoundError):
        return os.listdir(folder)
    return []


@functools.lru_cache(maxsize=64)
def _open(location: Location) -> tuple[fs.FileSystem, str]:
    """A location's file system, and its path there. Raises UserError for a URI that cannot be opened."""
    if isinstance(location, Path) or "://" not in location:
        return fs.LocalFileSystem(), str(Path(location).absolute())
    if not location.startswith(SCHEMES):
        raise UserError(f'"{redacted(location)}" has an unknown scheme: name a folder, or a URI that starts with s3://, gs:// or hdfs://')
    base, mark, query = location.partition("?")
    scheme, _, rest = base.partition("://")
    bucket, _, path = rest.partition("/")
    try:
        if scheme in ("s3", "gs", "gcs"):  # one connection per bucket, shared by all locations in it
            filesystem, root = _connect(f"{scheme}://{bucket}{mark}{query}")
            root = f"{root}/{unquote(path)}" if path else root
        else:
            filesystem, root = fs.FileSystem.from_uri(location)
    except (OSError, ValueError) as error:
        raise UserError(f'"{redacted(location)}" cannot be opened ({redacted(error).splitlines()[0]}): correct the address') from error
    return filesystem, root.rstrip("/")


@functools.lru_cache(maxsize=16)
def _connect(bucket: str) -> tuple[fs.FileSystem, str]:
    """The file system of an object store's bucket. Small S3 objects take one request, not the three of a multipart upload."""
    option = "allow_delayed_open="
    if bucket.startswith("s3://") and option not in bucket:
        bucket += f"{'&' if '?' in bucket else '?'}{option}true"
    if bucket.startswith("s3://") and holds_credentials() and "@" not in bucket:
        return _connect_with_hidden_keys(bucket)
    return tuple(fs.FileSystem.from_uri(bucket))


def _connect_with_hidden_keys(bucket: str) -> tuple[fs.FileSystem, str]:
    """As `from_uri`, with keys that are no longer in the environment, where the S3 client would look for them at each request."""
    base, _, query = bucket.partition("?")
    name = base.removeprefix("s3://")
    given = {option: values[0] for option, values in parse_qs(query).items()}
    options: dict[str, Any] = {option: value == "true" if value in ("true", "false") else value for option, value in given.items()}
    if not options.keys() & {"region", "endpoint_override"}:
        options["region"] = os.environ.get("AWS_DEFAULT_REGION") or fs.resolve_s3_region(name)
    keys = [credential(f"AWS_{key}") for key in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")]
    return fs.S3FileSystem(access_key=keys[0], secret_key=keys[1], session_token=keys[2], **options), name


class _RangeReader(io.RawIOBase):
    """A seekable stream of `size` bytes; `read(offset, length)` returns at most `length` bytes from `offset` on."""

    def __init__(self, size: int, read: Callable[[int, int], bytes]) -> None:
        self._size, self._read, self._position = size, read, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        return self._position

    def readinto(self, buffer: Any) -> int:
        content = self._read(self._position, min(len(buffer), max(0, self._size - self._position)))
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)
