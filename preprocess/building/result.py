"""The outcome of a build: a manifest, or the error that explains why there is none."""

from collections.abc import Callable, Iterable, Mapping

from preprocess.building.pool import Done
from preprocess.building.recipe import Recipe
from preprocess.building.units import Unit
from preprocess.shards.manifest import FORMAT, Duplicate, Manifest, Rejected, Split
from preprocess.sources.layouts import ImageFiles
from ringcycle.domains import TRAIN_SPLITS
from ringcycle.errors import UserError
from ringcycle.storage.location import Location
from ringcycle.storage.store import Store

_SHOWN = 3  # rejected images named in an error


def manifest_of(
    source: str, name: str, images: ImageFiles, recipe: Recipe, units: list[Unit], done: Mapping[str, Done], duplicates: list[Duplicate]
) -> Manifest:
    """The manifest of finished units, in the order of the source, whatever order they were finished in.

    name: the fingerprint; done: by shard name; duplicates: all found, of which the dropped ones are no longer in the shards.

    Raises UserError if a train domain has no image left.
    """
    rejected = rejected_so_far(units, done)
    splits = {split: _split(split, units, done) for split in images}
    for split in TRAIN_SPLITS:
        if not splits[split].count:
            names = {file.name for file in images[split]}
            broken = _some([one for one in rejected if one.path in names])
            raise UserError(f'data.source = "{source}": all images of {split} are broken ({broken}): add valid images')
    return Manifest(
        format=FORMAT,
        fingerprint=name,
        source=source,
        preprocess=recipe.preprocess,
        load_size=recipe.load_size,
        crop_size=recipe.crop_size,
        dtype="uint8" if recipe.bits == 8 else "uint16",
        channels=recipe.channels,
        splits={name: split for name, split in splits.items() if split.count},
        rejected=rejected,
        duplicates=duplicates,
        near_constant=[name for unit in units for name in done[unit.shard].built.near_constant],
    )


def rejected_so_far(units: list[Unit], done: Mapping[str, Done]) -> list[Rejected]:
    """Rejected files of the finished units, in the order of the source."""
    return [one for unit in units if unit.shard in done for one in done[unit.shard].built.rejected]


def check_rejected(rejected: list[Rejected], images: ImageFiles, limit: float) -> None:
    """Raises UserError as soon as it is certain that more than the share `limit` of the images is broken."""
    total = sum(len(files) for files in images.values())
    if len(rejected) > limit * total:
        raise UserError(
            f"data.max_rejected = {limit:g}, but {len(rejected)} or more of {total} images are broken ({_some(rejected)}): "
            "fix or remove them, or raise data.max_rejected"
        )


def describe_near_constant(manifest: Manifest) -> str:
    """How many images are of nearly one colour, in one line."""
    names = manifest.near_constant
    total = sum(split.count for split in manifest.splits.values())
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return f"{len(names):,} of {total:,} images are near-constant ({shown}): nearly one colour, or values in a small part of their range"


def check_seen(manifest: Manifest, out: Location, done: Mapping[str, Done]) -> None:
    """Raises UserError if this node does not see the shards that other nodes wrote."""
    seen = set(Store(out).names())
    for split in manifest.splits.values():
        for shard in split.shards:
            if shard.name not in seen:
                fact = f"node {done[shard.name].node} wrote {shard.name} there, but this node does not see it"
                raise UserError(f"{Store(out).label()} is not shared: {fact}: name a folder on storage that all nodes mount")
    manifest.verify(out, checksums=False)


def _split(split: str, units: list[Unit], done: Mapping[str, Done]) -> Split:
    stored = [built for unit in units if unit.split == split and (built := done[unit.shard].built).shard]
    shards = [built.shard for built in stored if built.shard]
    return Split(
        count=sum(shard.count for shard in shards),
        shards=shards,
        smallest=_each(min, [built.smallest for built in stored]),
        largest=_each(max, [built.largest for built in stored]),
    )


def _each(end: Callable[[Iterable[int]], int], sizes: list[tuple[int, int]]) -> tuple[int, int]:
    return (end(size[0] for size in sizes), end(size[1] for size in sizes)) if sizes else (0, 0)


def _some(rejected: list[Rejected]) -> str:
    named = ", ".join(f"{one.path}: {one.reason}" for one in rejected[:_SHOWN])
    return named + (f" and {len(rejected) - _SHOWN} more" if len(rejected) > _SHOWN else "")
