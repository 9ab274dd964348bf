"""The reader: the plan's batches in blocks, from any position, and errors that name the shard."""

from pathlib import Path

import numpy as np
import pytest

from preprocess.feed.reader import Reader
from ringcycle.errors import UserError
from tests.preprocess.small_shards import PLAN, Dtype, expected, make_shards


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_block_is_its_steps(tmp_path: Path, dtype: Dtype) -> None:
    block = Reader(make_shards(tmp_path, dtype), PLAN, batch=4, rank=1, workers=2).read(17, steps=5)
    assert block.dtype == dtype and block.flags.c_contiguous
    assert np.array_equal(block, [expected(17 + 8 * step, 4, 1, 2, dtype) for step in range(5)])


def test_started_anywhere_equals_the_tail(tmp_path: Path) -> None:
    folder = make_shards(tmp_path)
    whole = Reader(folder, PLAN, 2, 1, 2).read(0, 15)
    for step in range(15):
        assert np.array_equal(Reader(folder, PLAN, 2, 1, 2).read(4 * step, 15 - step), whole[step:])


def test_no_manifest(tmp_path: Path) -> None:
    reader = Reader(tmp_path, PLAN, 1, 0, 1)
    with pytest.raises(UserError, match=r"manifest\.json cannot be read"):
        reader.read(0, 1)


def test_shard_gone(tmp_path: Path) -> None:
    folder = make_shards(tmp_path)
    (folder / "trainB-1.arrow").unlink()
    with pytest.raises(UserError) as error:
        Reader(folder, PLAN, 20, 0, 1).read(0, 1)
    assert str(error.value) == f"{folder}/trainB-1.arrow cannot be read (no such file): delete {folder} and build it again"


@pytest.mark.parametrize("damage", ["empty", "zeros", "cut", "middle"])
def test_shard_torn(tmp_path: Path, damage: str) -> None:
    shard = make_shards(tmp_path) / "trainA-0.arrow"
    whole = shard.read_bytes()
    # The last: a file as long as it should be with a hole where the first block's metadata and columns were.
    torn = {"empty": b"", "zeros": bytes(50_000), "cut": whole[:5000], "middle": whole[:8] + bytes(5000) + whole[5008:]}
    shard.write_bytes(torn[damage])
    with pytest.raises(UserError, match=r"^\S+/trainA-0\.arrow cannot be read \(.+\): delete \S+ and build it again$"):
        Reader(tmp_path, PLAN, 20, 0, 1).read(0, 1)
