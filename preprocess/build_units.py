"""One unit of a build: the files of one shard. Plain functions of files and folders, the same in any process on any node."""

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from preprocess.decode import BrokenPicture, UInt8, decode
from preprocess.errors import UserError
from preprocess.files import sha256, write_atomic
from preprocess.manifest import FORMAT, Rejected, ShardFile
from preprocess.resize import square
from preprocess.shards import write_shard
from preprocess.sources import PictureFile

CHANNELS = 3
# A JPEG reduced by its own decoder to this multiple of load_size or more, then resized, is 50 dB or more from the full way.
DRAFT = 2


class Unit(NamedTuple):
    """What one shard is made of: its split, its file name, its source files, and a digest of all that decides its bytes."""

    split: str
    shard: str
    files: list[PictureFile]
    digest: str


class Built(BaseModel):
    """What became of a unit; kept beside the shard until the build is complete. No shard if every file was broken."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    digest: str
    shard: ShardFile | None
    rejected: list[Rejected]


def plan_units(pictures: dict[str, list[PictureFile]], load_size: int, shard_mb: float) -> list[Unit]:
    """Deal the files of each split, in order, to shards of at most `shard_mb` MiB of pixels, at least one picture each."""
    size = max(1, int(shard_mb * 2**20 / (load_size * load_size * CHANNELS)))
    units = []
    for split, files in pictures.items():
        for number, start in enumerate(range(0, len(files), size)):
            chunk = files[start : start + size]
            text = f"format {FORMAT}, load_size {load_size}, {chunk}"
            digest = hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=8).hexdigest()
            units.append(Unit(split, f"{split}-{number:05d}.arrow", chunk, digest))
    return units


def build_unit(unit: Unit, read: Callable[[str], bytes], out: Path, load_size: int, pool: Executor) -> tuple[Built, bool]:
    """Decode, resize and write a unit's shard into `out`, files in parallel on `pool`; returns it, and whether this was work.

    A shard that an interrupted build finished is found by its note and checksum and not made again.
    Raises UserError if a source file cannot be read or the shard not written; broken pictures are no error here.
    """
    before = _finished(unit, out)
    if before:
        return before, False
    keys, pictures, rejected = [], [], []
    for file, result in zip(unit.files, pool.map(lambda file: _picture(read, file.name, load_size), unit.files), strict=True):
        if isinstance(result, str):
            rejected.append(Rejected(path=file.name, reason=result))
        else:
            keys.append(file.name)
            pictures.append(result)
    try:
        shard = write_shard(out / unit.shard, keys, pictures) if pictures else None
        built = Built(digest=unit.digest, shard=shard, rejected=rejected)
        text = built.model_dump_json().encode()
        write_atomic(note(out, unit.shard), lambda target: target.write(text))
    except OSError as error:
        raise UserError(f"{out / unit.shard} cannot be written ({error.strerror}): make room there, or name another folder") from error
    return built, True


def note(out: Path, shard: str) -> Path:
    """The file that says how a shard was made while its build is incomplete."""
    return out / f"{shard}.json"


def _finished(unit: Unit, out: Path) -> Built | None:
    """What an earlier build left of this unit, if it was made of the same files and is whole."""
    try:
        built = Built.model_validate_json(note(out, unit.shard).read_bytes())
        whole = built.shard is None or sha256(out / unit.shard) == built.shard.sha256
    except (OSError, ValidationError):
        return None
    return built if whole and built.digest == unit.digest else None


def _picture(read: Callable[[str], bytes], name: str, load_size: int) -> UInt8 | str:
    """A file's pixels [load_size, load_size, 3], or the reason why there are none."""
    try:
        data = read(name)
    # A file that was listed but cannot be read is not broken: the node does not see the source. Rejecting it would lose good pictures.
    except OSError as error:
        fact = str(error).splitlines()[0]
        cure = "every node must see the source at the same place"
        raise UserError(f"data.source: {name} was listed but cannot be read on {os.uname().nodename} ({fact}): {cure}") from error
    try:
        return square(decode(data, at_least=DRAFT * load_size), load_size)
    except BrokenPicture as error:
        return str(error)
