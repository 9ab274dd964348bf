"""The manifest: what a folder of shards holds, and the checksums that prove it complete and undamaged."""

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from preprocess.images.resize import Mode
from preprocess.images.size import Size, sides_of
from ringcycle.errors import UserError
from ringcycle.storage.location import Location, reason
from ringcycle.storage.store import Store

FORMAT = 2
NAME = "manifest.json"


class ShardFile(BaseModel):
    """One shard: its name inside the folder, the number of images, bytes on disk, their SHA-256, and the CRC-32 of its head alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    count: int
    bytes: int
    sha256: str
    head_crc32: int


class Split(BaseModel):
    """The shards of trainA, trainB, testA or testB, in order; `count` images in all, between two sizes (height, width) inclusive."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: int
    shards: list[ShardFile]
    smallest: tuple[int, int]
    largest: tuple[int, int]


class Rejected(BaseModel):
    """A file without a usable image: its path inside the source, and the reason in a short phrase."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    reason: str


class Duplicate(BaseModel):
    """A file with the same bytes as an earlier one, `of`. dropped: it is not in the shards, because its train domain already has `of`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    of: str
    dropped: bool


class Manifest(BaseModel):
    """Everything a reader of shards must know. It is written last, so its presence means that the shards are complete."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    fingerprint: str
    source: str
    preprocess: Mode
    load_size: Size
    crop_size: Size | None
    """None if it does not affect what is stored."""
    dtype: Literal["uint8", "uint16"]
    channels: tuple[int, int]
    """Of domain A, of domain B."""
    splits: dict[str, Split]
    rejected: list[Rejected]
    duplicates: list[Duplicate]
    near_constant: list[str]
    """Images of nearly one colour: kept, but worth a look."""

    @classmethod
    def load(cls, folder: Location) -> "Manifest":
        """Read a folder's manifest. Raises UserError if it is missing, damaged, of another format or not a manifest."""
        store = Store(folder)
        path, folder = store.label(NAME), store.label()
        try:
            text = store.read(NAME)
        except OSError as error:
            cure = "name a folder that preprocess.build has finished, or delete this one and rebuild it"
            raise UserError(f"{path} cannot be read ({reason(error)}): {cure}") from error
        try:
            content = json.loads(text)
            version = content.get("format", FORMAT) if isinstance(content, dict) else FORMAT
            if version != FORMAT:
                raise UserError(f"{path}: format = {version}, but this version reads format {FORMAT}: delete {folder} and rebuild it")
            checksum = content.pop("sha256", None) if isinstance(content, dict) else None
            manifest = cls.model_validate(content)
            if checksum != _checksum(content):
                raise ValueError("its checksum does not match")
            return manifest
        except ValueError as error:
            raise UserError(f"{path} is damaged or not a manifest ({_fact(error)}): delete {folder} and rebuild it") from error

    def describe(self) -> str:
        """The size, channels and dtype of the stored images, in one line."""
        height, width = sides_of(self.load_size)
        size = f"{width}x{height}" if self.preprocess == "resize_and_crop" else f"by {self.preprocess}"
        return f"images {size}, {self.channels[0]} and {self.channels[1]} channels (A and B) of {self.dtype}"

    def save(self, folder: Location) -> None:
        """Write the manifest into its folder, atomically."""
        content = self.model_dump(mode="json")
        text = json.dumps(content | {"sha256": _checksum(content)}, indent=1).encode() + b"\n"
        Store(folder).write(NAME, text)

    def verify(self, folder: Location, *, checksums: bool = True) -> None:
        """Check that every shard exists and has its size and, by default, its checksum, which reads all bytes.

        Raises UserError with the name of the first bad shard.
        """
        store = Store(folder)
        try:
            sizes = {info.base_name: info.size for info in store.entries()}
        except OSError as error:
            raise UserError(f"{store.label()} cannot be listed ({reason(error)}): fix this, or name another folder") from error
        for split in self.splits.values():
            for shard in split.shards:
                fault = _fault(store, shard, sizes.get(shard.name), checksums)
                if fault:
                    raise UserError(f"{store.label(shard.name)} {fault}: delete {store.label()} and rebuild it")


def _checksum(content: dict[str, Any]) -> str:
    """SHA-256 of the content, independent of how the JSON is formatted."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _fact(error: ValueError) -> str:
    """The first error that pydantic or the JSON parser found, in one line."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    return ": ".join([".".join(map(str, first["loc"])) or "manifest", first["msg"]])


def _fault(store: Store, shard: ShardFile, size: int | None, checksums: bool) -> str:
    if size is None:
        return "cannot be read (No such file or directory)"
    if size != shard.bytes:
        return f"has {size} bytes, but the manifest lists {shard.bytes}"
    try:
        if checksums and store.sha256(shard.name) != shard.sha256:
            return "is damaged (its checksum does not match the manifest)"
    except OSError as error:
        return f"cannot be read ({reason(error)})"
    return ""
