"""A unit of a build is one shard's files. Plain functions of files and folders, which behave the same in any process on any node."""

import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from math import prod
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from preprocess.building.recipe import Recipe
from preprocess.images.decode import BrokenImage, ImageArray, TooManyPixels, decode_to_resize
from preprocess.images.resize import prepare, sides
from preprocess.images.size import sides_of
from preprocess.shards.image_buffer import ImageBuffer, ScratchMemory
from preprocess.shards.manifest import FORMAT, Rejected, ShardFile
from preprocess.shards.shard_set import write_shard
from preprocess.sources.layouts import ImageFile
from ringcycle.errors import UserError
from ringcycle.storage.location import Location, child, reason
from ringcycle.storage.store import Store, writing

# JPEGs are decoded at a reduced size, at least this multiple of load_size, then resized: against a full decode, median 50 dB, minimum 36.
DRAFT = 2
SMALLEST_SIDE = 8
LETHAL = "killed a build actor twice"
NEAR_CONSTANT = 0.01  # standard deviation, as a share of the full range
NARROW = 1 / 15  # range of all samples, as a share of the full range; 12 bits take 1/16 of 16
UNPACKED = 12  # estimated bytes of pixels per byte of a file, where images keep their sizes


class Unit(NamedTuple):
    """One shard to build: its split, its file name, its source files, and a digest of everything that determines its bytes."""

    split: str
    shard: str
    files: list[ImageFile]
    digest: str


class Built(BaseModel):
    """The result of a unit, kept beside the shard until the build is complete. shard: None if every file was broken."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    digest: str
    shard: ShardFile | None
    rejected: list[Rejected]
    contents: str
    """Digest of each stored file's bytes in order, 16 hexadecimal digits each."""
    near_constant: list[str]
    smallest: tuple[int, int]
    largest: tuple[int, int]
    """Smallest and largest height and width; (0, 0) without images."""


class _Stored(NamedTuple):
    """What is recorded about a stored image."""

    size: tuple[int, int]
    content: str
    near_constant: bool


def plan_units(images: dict[str, list[ImageFile]], recipe: Recipe, shard_mb: float) -> list[Unit]:
    """Cut the files of each split, in order, into shards of at most about `shard_mb` MiB of pixels, but at least one image each."""
    units = []
    for split, files in images.items():
        sizes = (_pixel_bytes(file, recipe, split) for file in files)
        for number, group in enumerate(_groups(files, sizes, shard_mb * 2**20)):
            text = f"format {FORMAT}, {recipe.text()}, {group}"
            digest = hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=8).hexdigest()
            units.append(Unit(split, f"{split}-{number:05d}.arrow", group, digest))
    return units


def build_unit(
    unit: Unit,
    read: Callable[[str], bytes],
    out: Location,
    recipe: Recipe,
    pool: Executor | None = None,
    memory: ScratchMemory | None = None,
    lethal: Collection[str] = (),
    before_file: Callable[[str], object] | None = None,
) -> tuple[Built, bool]:
    """Decode, resize and write a unit's shard into `out`; returns the result, and whether the shard was built now.

    pool: decodes files in parallel; memory: where the shard is assembled, not to be shared while this runs.
    lethal: files to reject unread, since they kill the process that decodes them; before_file: called with each file's name before it is
    read, and with an empty name after the last.
    A shard that an interrupted build finished is recognised by its note and checksum, and not built again.
    Raises UserError if a source file cannot be read or the shard cannot be written; broken images are no error here.
    """
    before = _finished(unit, out)
    if before:
        return before, False
    channels = recipe.of_split(unit.split)
    names, images, stored, rejected = list[str](), ImageBuffer(memory), list[_Stored](), list[Rejected]()

    def image(file: ImageFile) -> tuple[ImageArray, _Stored] | str:
        if file.name in lethal:
            return LETHAL
        if before_file:
            before_file(file.name)
        return _image(read, file, recipe, channels)

    results = (pool.map if pool else map)(image, unit.files)
    for file, result in zip(unit.files, results, strict=True):
        if isinstance(result, str):
            rejected.append(Rejected(path=file.name, reason=result))
        else:
            pixels, one = result
            images.append(pixels)
            names.append(file.name)
            stored.append(one)
    if before_file:
        before_file("")
    sizes = [one.size for one in stored] or [(0, 0)]
    with writing(out, unit.shard):
        shard = write_shard(child(out, unit.shard), names, images) if names else None
        built = Built(
            digest=unit.digest,
            shard=shard,
            rejected=rejected,
            contents="".join(one.content for one in stored),
            near_constant=[name for name, one in zip(names, stored, strict=True) if one.near_constant],
            smallest=_ends(min, sizes),
            largest=_ends(max, sizes),
        )
        Store(out).write(note(unit.shard), built.model_dump_json().encode())
    return built, True


def note(shard: str) -> str:
    """Name of the file that describes a shard while its build is incomplete."""
    return f"{shard}.json"


def _finished(unit: Unit, out: Location) -> Built | None:
    """The result that an earlier build left, if it is intact and was made from the same files."""
    store = Store(out)
    try:
        built = Built.model_validate_json(store.read(note(unit.shard)))
        intact = built.shard is None or store.sha256(unit.shard) == built.shard.sha256
    except (OSError, ValidationError):
        return None
    return built if intact and built.digest == unit.digest else None


def _image(read: Callable[[str], bytes], file: ImageFile, recipe: Recipe, channels: int) -> tuple[ImageArray, _Stored] | str:
    """The pixels that a shard stores of a file, or the reason to reject the file."""
    name = file.name
    if file.size > recipe.max_file_mb * 2**20:
        return f"{file.size / 2**20:,.1f} MiB, more than data.max_file_mb = {recipe.max_file_mb:g}"
    try:
        data = read(name)
    # A file that was listed but cannot be read is not broken: this node does not see the source. Rejecting it would lose good images.
    except OSError as error:
        fact = f"{name} was listed but cannot be read on {os.uname().nodename} ({reason(error)})"
        raise UserError(f"data.source: {fact}: every node must see the source at the same location") from error
    try:
        height, width = (DRAFT * side for side in sides_of(recipe.load_size))
        reduced = None if recipe.preprocess in ("crop", "none") else (height, width)
        decoded = decode_to_resize(data, channels=channels, bits=recipe.bits, at_least=reduced, megapixels=recipe.max_megapixels)
        height, width = sides(decoded)
        if min(height, width) < SMALLEST_SIDE:
            return f"{width}x{height} pixels, too small"
        pixels = prepare(decoded, recipe.preprocess, recipe.load_size, recipe.crop_size)
    except TooManyPixels as error:
        return f"{error} (data.max_megapixels)"
    except BrokenImage as error:
        return str(error)
    return pixels, _Stored(pixels.shape[:2], hashlib.blake2b(data, digest_size=8).hexdigest(), _is_near_constant(pixels))


def _is_near_constant(pixels: ImageArray) -> bool:
    """Whether no channel varies much, judged by every eighth pixel in both directions: by deviation, or by range (12 bits in 16)."""
    sample = pixels[::8, ::8].reshape(-1, pixels.shape[2])
    most = int(np.iinfo(pixels.dtype).max)
    if int(sample.max()) - int(sample.min()) < NARROW * most:
        return True
    deviation = np.ascontiguousarray(sample.T, np.float32).std(axis=1).max()  # a third of the time of reducing bytes over the first axis
    return bool(deviation < NEAR_CONSTANT * most)


def _pixel_bytes(file: ImageFile, recipe: Recipe, split: str) -> int:
    """Bytes that an image takes in a shard; where sizes vary, an estimate from what is known without reading the file."""
    if recipe.preprocess in ("crop", "none"):
        return UNPACKED * file.size
    return prod(sides_of(recipe.load_size)) * recipe.of_split(split) * recipe.bits // 8


def _groups(files: list[ImageFile], sizes: Iterable[int], most: float) -> Iterator[list[ImageFile]]:
    """Consecutive files, each group as long as its sizes add up to at most `most`."""
    group: list[ImageFile] = []
    total = 0
    for file, size in zip(files, sizes, strict=True):
        if group and total + size > most:
            yield group
            group, total = [], 0
        group.append(file)
        total += size
    yield group


def _ends(end: Callable[[Iterable[int]], int], sizes: Sequence[tuple[int, ...]]) -> tuple[int, int]:
    return end(size[0] for size in sizes), end(size[1] for size in sizes)
