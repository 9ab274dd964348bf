"""One unit of a build: the files of one shard. Plain functions of files and folders, the same in any process on any node."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from preprocess.building.recipe import Recipe
from preprocess.images.decode import BrokenImage, ImageArray, decode_to_resize
from preprocess.images.resize import prepare, sides
from preprocess.shards.image_buffer import ImageBuffer, Memory
from preprocess.shards.manifest import FORMAT, Rejected, ShardFile
from preprocess.shards.shard_set import write_shard
from preprocess.sources.layouts import ImageFile
from ringcycle.errors import UserError
from ringcycle.storage.location import Location, child, reason
from ringcycle.storage.store import Store, writing

# A JPEG reduced by its own decoder to this multiple of load_size or more, then resized: 50 dB from the full way in the median, 36 at least.
DRAFT = 2
SMALLEST_SIDE = 8
NEAR_CONSTANT = 0.01  # standard deviation, as a share of the whole range
UNPACKED = 12  # bytes of pixels guessed for a byte of a file, where images keep their sizes


class Unit(NamedTuple):
    """What one shard is made of: its split, its file name, its source files, and a digest of all that decides its bytes."""

    split: str
    shard: str
    files: list[ImageFile]
    digest: str


class Built(BaseModel):
    """What became of a unit; kept beside the shard until the build is complete. No shard if every file was broken."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    digest: str
    shard: ShardFile | None
    rejected: list[Rejected]
    contents: str
    """Digest of each whole file in order, 16 hexadecimal digits each."""
    near_constant: list[str]
    smallest: tuple[int, int]
    largest: tuple[int, int]
    """Least and greatest (height, width); (0, 0) without images."""


class _Made(NamedTuple):
    size: tuple[int, int]
    content: str
    near_constant: bool


def plan_units(images: dict[str, list[ImageFile]], recipe: Recipe, shard_mb: float) -> list[Unit]:
    """Deal the files of each split, in order, to shards of at most about `shard_mb` MiB of pixels, at least one image each."""
    units = []
    for split, files in images.items():
        sizes = (_pixel_bytes(file, recipe, split) for file in files)
        for number, chunk in enumerate(_chunks(files, sizes, shard_mb * 2**20)):
            text = f"format {FORMAT}, {tuple(recipe)}, {chunk}"
            digest = hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=8).hexdigest()
            units.append(Unit(split, f"{split}-{number:05d}.arrow", chunk, digest))
    return units


def build_unit(
    unit: Unit, read: Callable[[str], bytes], out: Location, recipe: Recipe, pool: Executor | None = None, memory: Memory | None = None
) -> tuple[Built, bool]:
    """Decode, resize and write a unit's shard into `out`, files in parallel on `pool` if any; returns it, and whether this was work.

    memory: in which the shard is made, of no use to others meanwhile.
    A shard that an interrupted build finished is found by its note and checksum and not made again.
    Raises UserError if a source file cannot be read or the shard not written; broken images are no error here.
    """
    before = _finished(unit, out)
    if before:
        return before, False
    channels = recipe.of_split(unit.split)
    names, images, made, rejected = list[str](), ImageBuffer(memory), list[_Made](), list[Rejected]()
    results = (pool.map if pool else map)(lambda file: _image(read, file.name, recipe, channels), unit.files)
    for file, result in zip(unit.files, results, strict=True):
        if isinstance(result, str):
            rejected.append(Rejected(path=file.name, reason=result))
        else:
            pixels, one = result
            images.append(pixels)
            names.append(file.name)
            made.append(one)
    sizes = [one.size for one in made] or [(0, 0)]
    with writing(out, unit.shard):
        shard = write_shard(child(out, unit.shard), names, images) if names else None
        built = Built(
            digest=unit.digest,
            shard=shard,
            rejected=rejected,
            contents="".join(one.content for one in made),
            near_constant=[name for name, one in zip(names, made, strict=True) if one.near_constant],
            smallest=_ends(min, sizes),
            largest=_ends(max, sizes),
        )
        Store(out).write(note(unit.shard), built.model_dump_json().encode())
    return built, True


def note(shard: str) -> str:
    """Name of the file that says how a shard was made while its build is incomplete."""
    return f"{shard}.json"


def _finished(unit: Unit, out: Location) -> Built | None:
    """What an earlier build left of this unit, if it was made of the same files and is whole."""
    store = Store(out)
    try:
        built = Built.model_validate_json(store.read(note(unit.shard)))
        whole = built.shard is None or store.sha256(unit.shard) == built.shard.sha256
    except (OSError, ValidationError):
        return None
    return built if whole and built.digest == unit.digest else None


def _image(read: Callable[[str], bytes], name: str, recipe: Recipe, channels: int) -> tuple[ImageArray, _Made] | str:
    """What a shard keeps of a file, or the reason why there is nothing to keep."""
    try:
        data = read(name)
    # A file that was listed but cannot be read is not broken: the node does not see the source. Rejecting it would lose good images.
    except OSError as error:
        fact = f"{name} was listed but cannot be read on {os.uname().nodename} ({reason(error)})"
        raise UserError(f"data.source: {fact}: every node must see the source at the same place") from error
    try:
        reduced = None if recipe.preprocess in ("crop", "none") else DRAFT * recipe.load_size
        decoded = decode_to_resize(data, channels=channels, bits=recipe.bits, at_least=reduced)
        height, width = sides(decoded)
        if min(height, width) < SMALLEST_SIDE:
            return f"{width}x{height} pixels, too small"
        pixels = prepare(decoded, recipe.preprocess, recipe.load_size, recipe.crop_size)
    except BrokenImage as error:
        return str(error)
    return pixels, _Made(pixels.shape[:2], hashlib.blake2b(data, digest_size=8).hexdigest(), _is_near_constant(pixels))


def _is_near_constant(pixels: ImageArray) -> bool:
    """Whether no channel varies much; every eighth pixel each way tells."""
    sample = pixels[::8, ::8].reshape(-1, pixels.shape[2])
    deviation = np.ascontiguousarray(sample.T, np.float32).std(axis=1).max()  # a third of what the first axes of bytes cost
    return bool(deviation < NEAR_CONSTANT * np.iinfo(pixels.dtype).max)


def _pixel_bytes(file: ImageFile, recipe: Recipe, split: str) -> int:
    """Bytes that a image takes in a shard; a guess where sizes vary, from what is known without reading it."""
    if recipe.preprocess in ("crop", "none"):
        return UNPACKED * file.size
    return recipe.load_size**2 * recipe.of_split(split) * recipe.bits // 8


def _chunks(files: list[ImageFile], sizes: Iterable[int], most: float) -> Iterator[list[ImageFile]]:
    """Runs of files, each as long as its sizes stay within `most`."""
    chunk: list[ImageFile] = []
    total = 0
    for file, size in zip(files, sizes, strict=True):
        if chunk and total + size > most:
            yield chunk
            chunk, total = [], 0
        chunk.append(file)
        total += size
    yield chunk


def _ends(end: Callable[[Iterable[int]], int], sizes: Sequence[tuple[int, ...]]) -> tuple[int, int]:
    return end(size[0] for size in sizes), end(size[1] for size in sizes)
