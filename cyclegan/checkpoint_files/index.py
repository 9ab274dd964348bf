"""The index of a checkpoint, `checkpoint.json`: what the checkpoint holds, sealed by checksums."""

import hashlib
import json
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cyclegan.checkpoint_files.damage import DamagedCheckpoint, one_line, reading
from cyclegan.checkpoint_files.names import INDEX, PART, rank_of, step_of
from cyclegan.checkpoint_files.upgrade import OLDEST, config_of_3, images_of_3
from cyclegan.config import ImageFormat
from ringcycle.storage.atomic import sync_folder
from ringcycle.storage.location import Location
from ringcycle.storage.store import Store

FORMAT = 4
MOST = 10**15
LONGEST_INDEX = 2**24  # bytes; thousands of workers need one


class Part(BaseModel):
    """One rank's file, always in the folder of the index; its checksum is that of the bytes that should be written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str = Field(pattern=f"^{PART.pattern}$")
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class _Version(BaseModel):
    """The one field that an index of any version has."""

    format: int


class Index(BaseModel):
    """What a checkpoint holds.

    position counts images of each domain; images: their format in the shards; config is the resolved tree of the run that wrote it.
    pairs: fingerprint of the known pairs, empty if there are none.
    cycle_loss: both cycle losses, smoothed over about the last thousand steps, None if unknown. sha256: of all the rest, set by `publish`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT
    step: int = Field(ge=1, le=MOST)
    position: int = Field(ge=0, le=MOST)
    workers: int = Field(ge=1, le=99_999)
    fingerprint: str
    pairs: str = ""
    images: ImageFormat
    written: datetime
    cycle_loss: float | None = Field(allow_inf_nan=False)
    versions: dict[str, str]
    config: dict[str, dict[str, Any]]
    parts: list[Part]
    sha256: str = ""

    def seal(self) -> str:
        """Checksum of the content, whatever the spelling of the JSON, without what earlier versions did not write."""
        absent = {"sha256"} if self.format == FORMAT else {"sha256", "images"}
        if not self.pairs:
            absent.add("pairs")
        return hashlib.sha256(self.model_dump_json(exclude=absent).encode()).hexdigest()


def publish(folder: Location, index: Index) -> None:
    """Write the index: from then on, and only then, `folder` is this checkpoint, even if it was another one before. Raises OSError."""
    store = Store(folder)
    if store.local is not None:
        sync_folder(store.local.parent)
    store.write(INDEX, encode(index.model_copy(update={"sha256": index.seal()})))


def read_index(folder: Location, name: str = INDEX) -> Index:
    """The index. Raises DamagedCheckpoint if it is missing or invalid, altered, of another version, or of another step than the folder."""
    path = Store(folder).label(name)
    with reading(folder, name):
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
        raise DamagedCheckpoint(f"{path}: {one_line(': '.join([*map(str, first['loc']), first['msg']]))}") from error
    except RecursionError as error:
        raise DamagedCheckpoint(f"{path}: nested too deeply") from error
    if index.sha256 != seal:
        raise DamagedCheckpoint(f"{path}: its checksum differs from the one written")
    if [rank_of(part.file) for part in index.parts] != list(range(index.workers)):
        raise DamagedCheckpoint(f"{path}: {len(index.parts)} parts of {index.workers} workers")
    if step_of(folder) not in (None, index.step):
        raise DamagedCheckpoint(f"{path}: is of step {index.step}, unlike its folder")
    return index if index.format == FORMAT else index.model_copy(update={"format": FORMAT, "config": config_of_3(index.config)})


def encode(content: BaseModel) -> bytes:
    """The JSON of an index or a receipt."""
    return content.model_dump_json(indent=1).encode()


def _index_of_3(text: bytes) -> Index:
    """An index of format 3 with its images beside the config; its seal is still that of the file."""
    content = json.loads(text)
    config = content.get("config")
    return Index.model_validate({**content, "images": images_of_3(config if isinstance(config, dict) else {})})
