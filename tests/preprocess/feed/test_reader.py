"""The reader: the plan's batches in chunks, from any position, and errors that name the shard."""

from pathlib import Path

import numpy as np
import pytest

from preprocess.feed.plan import WorkerShare
from preprocess.feed.reader import Reader
from ringcycle.errors import UserError
from tests.preprocess.small_shards import PLAN, Dtype, expected, make_shards

ONE, TWENTY = (WorkerShare(rank=0, workers=1, batch=batch) for batch in (1, 20))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_chunk_equals_its_steps(tmp_path: Path, dtype: Dtype) -> None:
    share = WorkerShare(rank=1, workers=2, batch=4)
    chunk = Reader(make_shards(tmp_path, dtype), PLAN, share).read(17, steps=5)
    assert chunk.dtype == dtype and chunk.flags.c_contiguous
    assert np.array_equal(chunk, [expected(17 + 8 * step, share, dtype) for step in range(5)])


def test_started_anywhere_equals_the_tail(tmp_path: Path) -> None:
    folder, share = make_shards(tmp_path), WorkerShare(rank=1, workers=2, batch=2)
    chunk = Reader(folder, PLAN, share).read(0, 15)
    for step in range(15):
        assert np.array_equal(Reader(folder, PLAN, share).read(4 * step, 15 - step), chunk[step:])


def test_no_manifest(tmp_path: Path) -> None:
    reader = Reader(tmp_path, PLAN, ONE)
    with pytest.raises(UserError, match=r"manifest\.json cannot be read"):
        reader.read(0, 1)


def test_missing_shard(tmp_path: Path) -> None:
    folder = make_shards(tmp_path)
    (folder / "trainB-1.arrow").unlink()
    with pytest.raises(UserError) as error:
        Reader(folder, PLAN, TWENTY).read(0, 1)
    assert str(error.value) == f"{folder}/trainB-1.arrow cannot be read (no such file): delete {folder} and rebuild it"


@pytest.mark.parametrize("damage", ["empty", "zeros", "cut", "middle"])
def test_damaged_shard(tmp_path: Path, damage: str) -> None:
    shard = make_shards(tmp_path) / "trainA-0.arrow"
    intact = shard.read_bytes()
    # The last one has the right length, but a hole where the metadata and columns of the first record batch were.
    damaged = {"empty": b"", "zeros": bytes(50_000), "cut": intact[:5000], "middle": intact[:8] + bytes(5000) + intact[5008:]}
    shard.write_bytes(damaged[damage])
    with pytest.raises(UserError, match=r"^\S+/trainA-0\.arrow cannot be read \(.+\): delete \S+ and rebuild it$"):
        Reader(tmp_path, PLAN, TWENTY).read(0, 1)
