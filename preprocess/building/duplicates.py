"""Finds duplicate files by their bytes, also between train and test. A train domain keeps one of each; test sets keep them all."""

import functools
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from preprocess.building.pool import Done
from preprocess.building.units import Built, Unit
from preprocess.shards.manifest import Duplicate, Split
from preprocess.shards.shard_set import ShardSet, write_shard
from ringcycle.domains import TRAIN_SPLITS
from ringcycle.storage.location import Location, child
from ringcycle.storage.store import writing

DIGITS = 16  # of each file's digest in Built.contents


def drop_duplicates(units: Sequence[Unit], done: dict[str, Done], out: Location) -> list[Duplicate]:
    """Remove duplicates from the shards of train domains; returns all duplicates found. Raises UserError if a shard cannot be written."""
    duplicates = find_duplicates(units, {shard: one.built for shard, one in done.items()})
    names = {one.path for one in duplicates if one.dropped}
    for unit in units if names else ():
        dropped = names.intersection(file.name for file in unit.files)
        if dropped:
            with writing(out, unit.shard):
                done[unit.shard] = done[unit.shard]._replace(built=without(done[unit.shard].built, dropped, out))
    return duplicates


def find_duplicates(units: Sequence[Unit], built: Mapping[str, Built]) -> list[Duplicate]:
    """Files with the same bytes as an earlier one, in the order of the units. built: by shard name.

    Files are compared by 64-bit digests: with ten million files, one build in 300,000 mistakes two of them for equal. Memory: 24 bytes
    per file.
    """
    contents = np.concatenate([_contents(built[unit.shard]) for unit in units])
    order = np.argsort(contents, kind="stable")
    starts = [0, *accumulate(len(built[unit.shard].contents) // DIGITS for unit in units)]

    @functools.cache
    def names(which: int) -> list[str]:
        rejected = {one.path for one in built[units[which].shard].rejected}
        return [file.name for file in units[which].files if file.name not in rejected]

    def named(position: int) -> tuple[str, str]:
        which = bisect_right(starts, position) - 1
        return units[which].split, names(which)[position - starts[which]]

    found: dict[int, Duplicate] = {}
    groups: dict[int, list[int]] = {}
    for i in np.flatnonzero(contents[order[1:]] == contents[order[:-1]]) + 1:
        groups.setdefault(int(contents[order[i]]), [int(order[i - 1])]).append(int(order[i]))
    for members in groups.values():
        first: dict[str, str] = {}
        for position in members:
            split, path = named(position)
            if first:
                of = first.get(split, next(iter(first.values())))
                found[position] = Duplicate(path=path, of=of, dropped=split in first and split in TRAIN_SPLITS)
            first.setdefault(split, path)
    return [found[position] for position in sorted(found)]


def without(built: Built, names: Collection[str], out: Location) -> Built:
    """The unit's shard without some of its images, written beside it, so that a resumed or concurrent build still finds the original.

    Raises OSError.
    """
    assert built.shard is not None
    shards = ShardSet(out, Split(count=built.shard.count, shards=[built.shard], smallest=built.smallest, largest=built.largest))
    keys = [shards.key(i) for i in range(len(shards))]
    kept = [i for i, key in enumerate(keys) if key not in names]
    shard = write_shard(child(out, _name(built.shard.name)), [keys[i] for i in kept], [shards.image(i) for i in kept]) if kept else None
    near_constant = [name for name in built.near_constant if name not in names]
    contents = "".join(built.contents[i * DIGITS : (i + 1) * DIGITS] for i in kept)
    return built.model_copy(update={"shard": shard, "near_constant": near_constant, "contents": contents})


def _name(shard: str) -> str:
    return f"{shard.removesuffix('.arrow')}-unique.arrow"


def _contents(built: Built) -> npt.NDArray[np.uint64]:
    return np.frombuffer(bytes.fromhex(built.contents), ">u8").astype(np.uint64)
