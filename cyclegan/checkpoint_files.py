"""Files of a checkpoint: parts first, then an index with their checksums, which makes them a checkpoint by being there.

    step-00000200/
        checkpoint.json           the index: what, by which versions, the checksum of each part, and its own
        part-00000-1a2b3c4d.npz   rank 0: weights with Adam's moments, and the pools of its rows
        part-00001-1a2b3c4d.npz   rank 1: the pools of its rows
        …

The index is written atomically, on a disk by a rename, in an object store by one request: a checkpoint exists or it does not, and one
replaces another of the same step atomically, as the names of the parts carry the token of the attempt that wrote them.

Reading one needs no cluster and no pickle. A folder without a valid index, or whose parts do not match it, is no checkpoint.
"""

import contextlib
import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cyclegan.checkpoint_arrays import UNREADABLE, check_part, expected_arrays, read_part
from cyclegan.checkpoint_upgrade import OLDEST, config_of_3, images_of_3
from cyclegan.config import ImageFormat
from ringcycle.storage.atomic import sync_folder
from ringcycle.storage.location import Location, child, is_remote, reason
from ringcycle.storage.store import Store, parent_and_name

INDEX = "checkpoint.json"
ASIDE = "checkpoint.aside.json"  # the index of one that the run did not resume from, though it is newer
FORMAT = 4
MOST = 10**15
LONGEST_INDEX = 2**24  # bytes; thousands of workers need one
LONGEST_TEXT = 200  # characters of an error that quotes a file
_NAME = re.compile(r"step-([0-9]{8,15})")
_PART = re.compile(r"part-([0-9]{5})-[0-9a-z]+\.npz")


class DamagedCheckpoint(Exception):
    """A folder that is not a valid checkpoint; one line names the file and what is wrong with it."""


class Part(BaseModel):
    """One rank's file, always in the folder of the index; its checksum is that of the bytes that should be written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str = Field(pattern=f"^{_PART.pattern}$")
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class _Version(BaseModel):
    """The one field that an index of any version has."""

    format: int


class Index(BaseModel):
    """What a checkpoint holds.

    position counts images of each domain; images: their format in the shards; config is the resolved tree of the run that wrote it.
    cycle_loss: both cycle losses, smoothed over about the last thousand steps, None if unknown. sha256: of all the rest, set by `publish`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT
    step: int = Field(ge=1, le=MOST)
    position: int = Field(ge=0, le=MOST)
    workers: int = Field(ge=1, le=99_999)
    fingerprint: str
    images: ImageFormat
    written: datetime
    cycle_loss: float | None = Field(allow_inf_nan=False)
    versions: dict[str, str]
    config: dict[str, dict[str, Any]]
    parts: list[Part]
    sha256: str = ""

    def seal(self) -> str:
        """Checksum of the content, whatever the spelling of the JSON."""
        absent = {"sha256"} if self.format == FORMAT else {"sha256", "images"}
        return hashlib.sha256(self.model_dump_json(exclude=absent).encode()).hexdigest()


def step_folder(root: Location, step: int) -> Location:
    """Where the checkpoint of `step` is or will be."""
    return child(root, f"step-{step:08d}")


def step_of(folder: Location) -> int | None:
    """The step in a folder's name, or None if it is not the name of a checkpoint."""
    match = _NAME.fullmatch(parent_and_name(folder)[1])
    return int(match[1]) if match else None


def write_part(folder: Location, rank: int, token: str, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write one rank's arrays, then a receipt with their checksum; the receipt's presence means that the part is complete and on disk.

    token: lower-case letters and digits that name the attempt, so that parts of different attempts never mix.
    Makes `folder`, but not what is above it: a storage that is gone must not be written to its mount point. Raises OSError.
    """
    store, name, written = Store(folder), _part_name(rank, token), _Counted()
    if store.local is not None:
        store.local.mkdir(exist_ok=True)

    def write(file: BinaryIO) -> None:
        written.begin(file)
        np.savez(written, allow_pickle=False, **arrays)  # type: ignore[arg-type]

    store.write_with(name, write)
    store.write(_receipt(rank, token), _json(Part(file=name, bytes=written.bytes, sha256=written.digest.hexdigest())))


def has_receipt(folder: Location, rank: int, token: str) -> bool:
    """Whether the part of this rank and attempt is there, and no index names it yet."""
    return Store(folder).size(_receipt(rank, token)) is not None


def ask_for_room(folder: Location, rank: int, token: str) -> None:
    """Leave an empty file that tells rank 0 that the part of this rank does not fit; a full disk still takes it, as a rule."""
    Store(folder).write(_request_for_room(rank, token), b"", sync=False)


def asks_for_room(folder: Location, rank: int, token: str) -> bool:
    """Whether this rank waits for room."""
    return Store(folder).size(_request_for_room(rank, token)) is not None


def answer(folder: Location, rank: int, token: str) -> None:
    """Let a rank that asked for room try again."""
    Store(folder).delete(_request_for_room(rank, token))


def written_parts(folder: Location, workers: int, token: str) -> list[Part] | None:
    """The parts of all ranks, or None while one is missing."""
    if not all(has_receipt(folder, rank, token) for rank in range(workers)):
        return None
    return [Part.model_validate_json(Store(folder).read(_receipt(rank, token))) for rank in range(workers)]


def publish(folder: Location, index: Index) -> None:
    """Write the index: from then on, and only then, `folder` is this checkpoint, even if it was another one before. Raises OSError."""
    store = Store(folder)
    if store.local is not None:
        sync_folder(store.local.parent)
    store.write(INDEX, _json(index.model_copy(update={"sha256": index.seal()})))


def drop_leftovers(folder: Location) -> None:
    """Delete what no index of the folder names: receipts, saves that were not finished, and what was replaced.

    Without an index the entire folder goes; with one that cannot be read, nothing, as it is unknown what belongs to it.
    """
    store = Store(folder)
    present = set(store.names())
    named = {INDEX, ASIDE}
    for name in named & present:
        try:
            named = named | {part.file for part in read_index(folder, name).parts}
        except DamagedCheckpoint:
            return
    if not present & {INDEX, ASIDE}:
        return store.delete_all()
    for name in present - named:
        store.delete(name)


def delete(folder: Location) -> None:
    """Delete a checkpoint, its index first: no crash leaves a damaged one."""
    Store(folder).delete(INDEX)
    Store(folder).delete_all()


def checkpoints(root: Location, index: str = INDEX) -> list[Location]:
    """Folders that have an index, oldest first; they may still fail `read_index` or `verify`."""
    return [folder for folder, names in step_folders(root).items() if index in names]


def step_folders(root: Location) -> dict[Location, set[str]]:
    """The folders of all steps, oldest first, also of saves that are not finished, with the names in each."""
    present = {child(root, name): names for name, names in Store(root).folders().items() if _NAME.fullmatch(name)}
    return {folder: present[folder] for folder in sorted(present, key=lambda folder: step_of(folder) or 0)}


def read_index(folder: Location, name: str = INDEX) -> Index:
    """The index. Raises DamagedCheckpoint if it is missing or invalid, altered, of another version, or of another step than the folder."""
    path = Store(folder).label(name)
    with _reading(folder, name):
        if (Store(folder).size(name) or 0) > LONGEST_INDEX:
            raise DamagedCheckpoint(f"{path}: larger than {LONGEST_INDEX / 2**20:.0f} MiB")
        text = Store(folder).read(name)
    try:
        version = _Version.model_validate_json(text).format
        if not OLDEST <= version <= FORMAT:
            raise DamagedCheckpoint(f"{path}: format {version}, this version reads {OLDEST} to {FORMAT}")
        index = Index.model_validate_json(text) if version == FORMAT else _index_of_3(text)
        seal = index.seal()
    except ValidationError as error:
        first = error.errors()[0]
        raise DamagedCheckpoint(f"{path}: {_one_line(': '.join([*map(str, first['loc']), first['msg']]))}") from error
    except RecursionError as error:
        raise DamagedCheckpoint(f"{path}: nested too deeply") from error
    if index.sha256 != seal:
        raise DamagedCheckpoint(f"{path}: its checksum differs from the one written")
    if [_rank(part) for part in index.parts] != list(range(index.workers)):
        raise DamagedCheckpoint(f"{path}: {len(index.parts)} parts of {index.workers} workers")
    if step_of(folder) not in (None, index.step):
        raise DamagedCheckpoint(f"{path}: is of step {index.step}, unlike its folder")
    return index if index.format == FORMAT else index.model_copy(update={"format": FORMAT, "config": config_of_3(index.config)})


def verify(folder: Location, name: str = INDEX) -> Index:
    """Check all parts of the index `name`: sizes, checksums, and the types and shapes of arrays against the configuration.

    Raises DamagedCheckpoint naming the first part that does not match.
    """
    store, index = Store(folder), read_index(folder, name)
    expected = expected_arrays(index.config, index.images)
    for part in index.parts:
        path = store.label(part.file)
        with _reading(folder, part.file):
            size = store.size(part.file)
            if size is None:
                raise DamagedCheckpoint(f"{path}: missing")
            if size != part.bytes:
                raise DamagedCheckpoint(f"{path}: {size} bytes, {part.bytes} were written")
            if store.sha256(part.file) != part.sha256:
                raise DamagedCheckpoint(f"{path}: its checksum differs from the one written")
        with _reading_part(folder, part), store.open(part.file) as stream:
            check_part(stream, expected)
    return index


def read_arrays(folder: Location, part: Part, names: tuple[str, ...] | None = None) -> dict[str, npt.NDArray[Any]]:
    """Arrays of one part by name; only `names` if given. Raises DamagedCheckpoint if one is missing or the file is no such part."""
    with _reading_part(folder, part), Store(folder).open(part.file) as stream:
        return read_part(stream, names, {})


@contextlib.contextmanager
def _reading_part(folder: Location, part: Part) -> Iterator[None]:
    """What is not the archive of arrays that it should be is damaged."""
    with _reading(folder, part.file):
        try:
            yield
        except UNREADABLE as error:
            raise DamagedCheckpoint(f"{Store(folder).label(part.file)}: {_one_line(error) or type(error).__name__}") from error


def _index_of_3(text: bytes) -> Index:
    """An index of format 3 with its images beside the config; its seal is still that of the file."""
    content = json.loads(text)
    config = content.get("config")
    return Index.model_validate({**content, "images": images_of_3(config if isinstance(config, dict) else {})})


@contextlib.contextmanager
def _reading(folder: Location, name: str) -> Iterator[None]:
    """A read error means that a file is damaged, unless it is an object store that does not answer."""
    try:
        yield
    except OSError as error:
        if is_remote(folder) and not isinstance(error, FileNotFoundError):
            raise
        raise DamagedCheckpoint(f"{Store(folder).label(name)}: cannot be read ({reason(error)})") from error


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


def _part_name(rank: int, token: str) -> str:
    return f"part-{rank:05d}-{token}.npz"


def _receipt(rank: int, token: str) -> str:
    return f"part-{rank:05d}-{token}.json"


def _request_for_room(rank: int, token: str) -> str:
    return f"part-{rank:05d}-{token}.full"


def _rank(part: Part) -> int:
    match = _PART.fullmatch(part.file)
    assert match, part.file  # checked by the pattern of the field
    return int(match[1])


def _one_line(text: object) -> str:
    return " ".join(str(text).split())[:LONGEST_TEXT]


def _json(content: BaseModel) -> bytes:
    return content.model_dump_json(indent=1).encode()
