"""Files of a checkpoint: parts written beside, sealed by an index with checksums, made visible by one rename.

    step-00000200/
        checkpoint.json     the index: what, by which versions, the checksum of each part, and its own
        part-00000.npz      rank 0: both learners and the pools of its rows
        part-00001.npz      rank 1: the pools of its rows
        …

Reading one needs no cluster and no pickle. A folder without a valid index, or whose parts do not match it, is no checkpoint.
"""

import hashlib
import io
import os
import re
import shutil
import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from preprocess.files import sha256, sync_folder, write_atomic

INDEX = "checkpoint.json"
FORMAT = 2
REPLACED = ".replaced"  # suffix of a checkpoint while another one of its step takes its place
_NAME = re.compile(r"step-(\d{8,})")


class TornCheckpoint(Exception):
    """A folder that is not a whole checkpoint: says in one line which file and what is wrong with it."""


class Part(BaseModel):
    """One rank's file; its checksum is that of the bytes that were meant to be written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    bytes: int
    sha256: str


class _Version(BaseModel):
    """The one field that an index of any version has."""

    format: int


class Index(BaseModel):
    """What a checkpoint holds.

    position counts pictures of each domain; config is the resolved tree of the run that wrote it. cycle_loss: both cycle losses,
    smoothed over about the last thousand steps, None if unknown. sha256: of all the rest, set by `publish`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT
    step: int = Field(ge=0)
    position: int = Field(ge=0)
    workers: int = Field(ge=1)
    fingerprint: str
    written: datetime
    cycle_loss: float | None
    versions: dict[str, str]
    config: dict[str, Any]
    parts: list[Part]
    sha256: str = ""

    def seal(self) -> str:
        """Checksum of the content, whatever the spelling of the JSON."""
        return hashlib.sha256(self.model_dump_json(exclude={"sha256"}).encode()).hexdigest()


def step_folder(root: Path, step: int) -> Path:
    """Where the checkpoint of `step` is or will be."""
    return root / f"step-{step:08d}"


def step_of(folder: Path) -> int | None:
    """The step that a folder's name says, or None if it is not the name of a checkpoint."""
    match = _NAME.fullmatch(folder.name)
    return int(match[1]) if match else None


def write_part(folder: Path, rank: int, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write one rank's arrays, then a receipt with their checksum; the receipt's presence says that the part is whole and on disk.

    Makes `folder`, but not what is above it: a storage that is gone must not be written to its mount point. Raises OSError.
    """
    folder.mkdir(exist_ok=True)
    name, written = _part_name(rank), _Counted()

    def write(file: BinaryIO) -> None:
        written.begin(file)
        np.savez(written, allow_pickle=False, **arrays)  # type: ignore[arg-type]

    write_atomic(folder / name, write)
    _write(_receipt(folder, rank), Part(file=name, bytes=written.bytes, sha256=written.digest.hexdigest()))


def written_parts(folder: Path, workers: int) -> list[Part] | None:
    """The parts of all ranks, or None while one is missing."""
    receipts = [_receipt(folder, rank) for rank in range(workers)]
    if not all(r.is_file() for r in receipts):
        return None
    return [Part.model_validate_json(r.read_text()) for r in receipts]


def publish(folder: Path, index: Index, root: Path) -> Path:
    """Seal `folder` with its index and rename it to its place under `root`: from then on, and only then, it is a checkpoint.

    One of the same step that is already there gives way only when the new one is complete; `restore_replaced` undoes a crash between.
    """
    _write(folder / INDEX, index.model_copy(update={"sha256": index.seal()}))
    target = step_folder(root, index.step)
    replaced = target.with_name(target.name + REPLACED)
    if target.exists():
        shutil.rmtree(replaced, ignore_errors=True)
        os.rename(target, replaced)
    os.rename(folder, target)
    sync_folder(root)
    for rank in range(index.workers):  # only now: an attempt that failed above finds them again
        _receipt(target, rank).unlink(missing_ok=True)
    shutil.rmtree(replaced, ignore_errors=True)
    return target


def restore_replaced(root: Path) -> None:
    """Finish what a crash within `publish` left: a replaced checkpoint comes back if no other one took its place."""
    for replaced in root.glob(f"step-*{REPLACED}"):
        target = replaced.with_name(replaced.name.removesuffix(REPLACED))
        if target.exists():
            shutil.rmtree(replaced, ignore_errors=True)
        else:
            os.rename(replaced, target)


def checkpoints(root: Path) -> list[Path]:
    """Folders that have an index, oldest first; they may still fail `read_index` or `verify`."""
    found = [(step, f.parent) for f in root.glob(f"step-*/{INDEX}") if (step := step_of(f.parent)) is not None]
    return [folder for _, folder in sorted(found)]


def read_index(folder: Path) -> Index:
    """The index. Raises TornCheckpoint if it is missing or invalid, altered, of another version, or of another step than the folder."""
    path = folder / INDEX
    try:
        text = path.read_bytes()
        version = _Version.model_validate_json(text).format
        if version != FORMAT:
            raise TornCheckpoint(f"{path}: format {version}, this version reads {FORMAT}")
        index = Index.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        raise TornCheckpoint(_one_line(": ".join([str(path), *map(str, first["loc"]), first["msg"]]))) from error
    except OSError as error:
        raise TornCheckpoint(f"{path}: cannot be read ({error.strerror})") from error
    if index.sha256 != index.seal():
        raise TornCheckpoint(f"{path}: its checksum differs from the one written")
    if [part.file for part in index.parts] != [_part_name(rank) for rank in range(index.workers)]:
        raise TornCheckpoint(f"{path}: {len(index.parts)} parts of {index.workers} workers")
    if step_of(folder) not in (None, index.step):
        raise TornCheckpoint(f"{path}: is of step {index.step}, unlike its folder")
    return index


def verify(folder: Path) -> Index:
    """Check sizes and checksums of all parts. Raises TornCheckpoint naming the first that does not match."""
    index = read_index(folder)
    for part in index.parts:
        path = folder / part.file
        try:
            size = path.stat().st_size
            if size != part.bytes:
                raise TornCheckpoint(f"{path}: {size} bytes, {part.bytes} were written")
            if sha256(path) != part.sha256:
                raise TornCheckpoint(f"{path}: its checksum differs from the one written")
        except FileNotFoundError as error:
            raise TornCheckpoint(f"{path}: missing") from error
        except OSError as error:
            raise TornCheckpoint(f"{path}: cannot be read ({error.strerror})") from error
    return index


def read_arrays(folder: Path, part: Part, names: tuple[str, ...] | None = None) -> dict[str, npt.NDArray[Any]]:
    """Arrays of one part by name; only `names` if given. Raises TornCheckpoint if one is missing or the file is no such part."""
    path = folder / part.file
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in (names or file.files)}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise TornCheckpoint(f"{path}: {_one_line(error)}") from error


class _Counted(io.RawIOBase):
    """A stream into a file that counts and hashes what goes through: the checksum is of what was meant, and no byte is read back."""

    def begin(self, file: BinaryIO) -> None:
        self._file, self.bytes, self.digest = file, 0, hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._file.write(data)
        self.digest.update(data)
        self.bytes += memoryview(data).nbytes
        return memoryview(data).nbytes


def _part_name(rank: int) -> str:
    return f"part-{rank:05d}.npz"


def _receipt(folder: Path, rank: int) -> Path:
    return folder / f"part-{rank:05d}.json"


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


def _write(path: Path, content: BaseModel) -> None:
    text = content.model_dump_json(indent=1).encode()
    write_atomic(path, lambda file: file.write(text))
