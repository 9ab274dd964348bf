"""Files of a checkpoint: parts written beside, sealed by an index with checksums, made visible by one rename.

    step-00000200/
        checkpoint.json     the index: what, by which versions, and the checksum of each part
        part-00000.npz      rank 0: both learners and the pools of its rows
        part-00001.npz      rank 1: the pools of its rows
        …

Reading one needs no cluster and no pickle. A folder without a valid index, or whose parts do not match it, is no checkpoint.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from preprocess.files import sha256, sync_folder, write_atomic

INDEX = "checkpoint.json"
FORMAT = 1


class TornCheckpoint(Exception):
    """A folder that is not a whole checkpoint: says which file and what is wrong with it."""


class Part(BaseModel):
    """One rank's file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    bytes: int
    sha256: str


class Index(BaseModel):
    """What a checkpoint holds. position counts pictures of each domain; config is the resolved tree of the run that wrote it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT
    step: int
    position: int
    workers: int
    fingerprint: str
    versions: dict[str, str]
    config: dict[str, Any]
    parts: list[Part]


def step_folder(root: Path, step: int) -> Path:
    """Where the checkpoint of `step` is or will be."""
    return root / f"step-{step:08d}"


def write_part(folder: Path, rank: int, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write one rank's arrays, then a receipt with their checksum; the receipt's presence says that the part is whole and on disk."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"part-{rank:05d}.npz"
    write_atomic(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]
    part = Part(file=path.name, bytes=path.stat().st_size, sha256=sha256(path))
    _write(_receipt(folder, rank), part)


def written_parts(folder: Path, workers: int) -> list[Part] | None:
    """The parts of all ranks, or None while one is missing."""
    receipts = [_receipt(folder, rank) for rank in range(workers)]
    if not all(r.is_file() for r in receipts):
        return None
    return [Part.model_validate_json(r.read_text()) for r in receipts]


def publish(folder: Path, index: Index, root: Path) -> Path:
    """Seal `folder` with its index and rename it to its place under `root`: from then on, and only then, it is a checkpoint."""
    _write(folder / INDEX, index)
    for rank in range(index.workers):
        _receipt(folder, rank).unlink(missing_ok=True)
    target = step_folder(root, index.step)
    shutil.rmtree(target, ignore_errors=True)  # a torn one of the same step: a valid one would have been resumed from
    os.rename(folder, target)
    sync_folder(root)
    return target


def checkpoints(root: Path) -> list[Path]:
    """Folders that have an index, oldest first; they may still fail `read_index` or `verify`."""
    return sorted(f.parent for f in root.glob(f"step-????????/{INDEX}"))


def read_index(folder: Path) -> Index:
    """The index. Raises TornCheckpoint if it is missing or invalid."""
    try:
        index = Index.model_validate_json((folder / INDEX).read_text())
    except ValidationError as error:
        first = error.errors()[0]
        raise TornCheckpoint(": ".join([str(folder / INDEX), *map(str, first["loc"]), first["msg"]])) from error
    except (OSError, UnicodeDecodeError) as error:
        raise TornCheckpoint(f"{folder / INDEX}: {error}") from error
    if index.format != FORMAT:
        raise TornCheckpoint(f"{folder / INDEX}: format {index.format}, this version reads {FORMAT}")
    return index


def verify(folder: Path) -> Index:
    """Check sizes and checksums of all parts. Raises TornCheckpoint naming the first that does not match."""
    index = read_index(folder)
    for part in index.parts:
        path = folder / part.file
        if not path.is_file():
            raise TornCheckpoint(f"{path}: missing")
        if path.stat().st_size != part.bytes:
            raise TornCheckpoint(f"{path}: {path.stat().st_size} bytes, {part.bytes} were written")
        if sha256(path) != part.sha256:
            raise TornCheckpoint(f"{path}: its checksum differs from the one written")
    return index


def read_arrays(folder: Path, part: Part, names: tuple[str, ...] | None = None) -> dict[str, npt.NDArray[Any]]:
    """Arrays of one part by name; only `names` if given."""
    with np.load(folder / part.file, allow_pickle=False) as file:
        return {name: file[name] for name in (names or file.files)}


def _receipt(folder: Path, rank: int) -> Path:
    return folder / f"part-{rank:05d}.json"


def _write(path: Path, content: BaseModel) -> None:
    text = content.model_dump_json(indent=1).encode()
    write_atomic(path, lambda file: file.write(text))
