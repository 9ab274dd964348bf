"""What came of a build: a manifest, or the reason why there is none."""

from collections.abc import Mapping
from pathlib import Path

from preprocess.build_pool import Done
from preprocess.build_units import CHANNELS, Unit
from preprocess.errors import UserError
from preprocess.manifest import FORMAT, Manifest, Rejected, Split
from preprocess.sources import TRAIN, PictureFile, fingerprint

Pictures = dict[str, list[PictureFile]]
_SHOWN = 3  # rejected pictures named in an error


def manifest_of(source: str, pictures: Pictures, load_size: int, units: list[Unit], done: Mapping[str, Done]) -> Manifest:
    """The manifest of finished units (by shard name), in the order of the source whatever order they came in.

    Raises UserError if a train domain has no picture left.
    """
    rejected = rejected_so_far(units, done)
    splits = {split: _split(split, units, done) for split in pictures}
    for split in TRAIN:
        if not splits[split].count:
            broken = _some([one for one in rejected if one.path.startswith(f"{split}/")])
            raise UserError(f'data.source = "{source}": all pictures of {split} are broken ({broken}): put whole pictures there')
    return Manifest(
        format=FORMAT,
        fingerprint=fingerprint(pictures, load_size),
        source=source,
        load_size=load_size,
        dtype="uint8",
        channels=CHANNELS,
        splits={name: split for name, split in splits.items() if split.count},
        rejected=rejected,
    )


def rejected_so_far(units: list[Unit], done: Mapping[str, Done]) -> list[Rejected]:
    """Rejected files of the units that are done, in the order of the source."""
    return [one for unit in units if unit.shard in done for one in done[unit.shard].built.rejected]


def check_rejected(rejected: list[Rejected], pictures: Pictures, limit: float) -> None:
    """Raises UserError if more than the share `limit` of the pictures is broken, as soon as that is certain."""
    total = sum(len(files) for files in pictures.values())
    if len(rejected) > limit * total:
        raise UserError(
            f"data.max_rejected = {limit:g}, but {len(rejected)} or more of {total} pictures are broken ({_some(rejected)}): "
            "mend or remove them, or raise data.max_rejected"
        )


def check_seen(manifest: Manifest, out: Path, done: Mapping[str, Done]) -> None:
    """Raises UserError if shards that other nodes wrote are not here too."""
    for split in manifest.splits.values():
        for shard in split.shards:
            if not (out / shard.name).is_file():
                fact = f"node {done[shard.name].node} wrote {shard.name} there, but it is not seen here"
                raise UserError(f"{out} is not shared: {fact}: name a folder on storage that all nodes mount")
    manifest.verify(out, checksums=False)


def _split(split: str, units: list[Unit], done: Mapping[str, Done]) -> Split:
    shards = [built.shard for unit in units if unit.split == split and (built := done[unit.shard].built).shard]
    return Split(count=sum(shard.count for shard in shards), shards=shards)


def _some(rejected: list[Rejected]) -> str:
    named = ", ".join(f"{one.path}: {one.reason}" for one in rejected[:_SHOWN])
    return named + (f" and {len(rejected) - _SHOWN} more" if len(rejected) > _SHOWN else "")
