"""Keys are found at their places, and few record batches are read for it."""

from bisect import bisect_left
from pathlib import Path

import numpy as np
import pytest

from preprocess.shards.key_search import Place, find_keys
from preprocess.shards.manifest import Split
from preprocess.shards.shard_set import ShardSet, write_shard

PIXEL = np.zeros((1, 1, 1), np.uint8)


def keys_set(folder: Path, keys: list[str], size: int) -> ShardSet:
    """Shards of `size` images each."""
    groups = [keys[start : start + size] for start in range(0, len(keys), size)]
    shards = [write_shard(folder / f"{i}.arrow", group, [PIXEL] * len(group)) for i, group in enumerate(groups)]
    return ShardSet(folder, Split(count=len(keys), shards=shards, smallest=(1, 1), largest=(1, 1)))


@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_every_key_and_every_gap_is_found(count: int, tmp_path: Path) -> None:
    keys = sorted([f"trainA/{number}.png" for number in range(count - 1)] + ["trainA/é ß.png"])
    assert len(keys) == count
    wanted = [*reversed(keys), *(key + "x" for key in keys), *(key[:-1] for key in keys), "", "\U0001f600"]
    expected = [Place(bisect_left(keys, key), key in keys) for key in wanted]
    assert find_keys(keys_set(tmp_path, keys, 3), wanted) == expected
    assert find_keys(keys_set(tmp_path, keys, 3), []) == []


def test_few_images_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shards = keys_set(tmp_path, [f"{number:06}" for number in range(4000)], 1000)
    looked, key = list[int](), shards.key
    monkeypatch.setattr(shards, "key", lambda i: looked.append(i) or key(i))
    assert find_keys(shards, ["002345"]) == [Place(2345, True)]
    assert len(looked) <= 12
