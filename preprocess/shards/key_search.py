"""Finds images by their keys without reading the whole set: the keys of a split are in ascending order, as its source lists them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from preprocess.shards.shard_set import ShardSet

_AT_ONCE = 32  # keys whose record batches a set keeps in memory


class Place(NamedTuple):
    """Where a key is, or belongs: the number of the first image whose key is not below it, or the size of the set; whether it is equal."""

    at: int
    present: bool


def find_keys(shards: ShardSet, keys: Sequence[str]) -> list[Place]:
    """The places of `keys`, by a binary search of many together, so that an object store gets many requests at a time.

    Raises as `ShardSet.key`.
    """
    groups = (keys[start : start + _AT_ONCE] for start in range(0, len(keys), _AT_ONCE))
    return [place for group in groups for place in _search(shards, group)]


def _search(shards: ShardSet, keys: Sequence[str]) -> list[Place]:
    low, high = np.zeros(len(keys), np.int64), np.full(len(keys), len(shards))
    present = np.zeros(len(keys), np.bool_)
    while (unsure := np.flatnonzero(low < high)).size:
        middle = (low + high) // 2
        shards.prefetch(middle[unsure].tolist())
        for i in unsure.tolist():
            key = shards.key(int(middle[i]))
            if key < keys[i]:
                low[i] = middle[i] + 1
            else:
                high[i], present[i] = middle[i], key == keys[i]
    return [Place(int(at), bool(there)) for at, there in zip(low, present, strict=True)]
