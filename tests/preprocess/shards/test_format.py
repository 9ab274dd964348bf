"""Shards made to deceive, with checksums that fit: refused before Arrow or NumPy follow what they state."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from preprocess.images.decoded_image import ImageArray
from preprocess.inspect import main
from preprocess.shards import format as shard_format
from preprocess.shards.image_buffer import ImageBuffer
from preprocess.shards.manifest import Manifest, Split
from preprocess.shards.shard_set import DAMAGE, ShardSet, write_shard
from ringcycle.domains import TRAIN_SPLITS
from tests.preprocess.small_shards import make_manifest

IMAGES = [np.full((8, 8, 3), value, np.uint8) for value in (10, 20, 30)]
KEYS = ["a", "b", "c"]
BEYOND = 2**40


def batch(
    keys: list[int] | None = None, heights: list[int] | None = None, pixels: list[int] | None = None, nulls: bool = False
) -> pa.RecordBatch:
    """A record batch of IMAGES. keys, pixels: their offsets, forged in memory after Arrow has checked true ones."""
    key_offsets, pixel_offsets = np.array([0, 1, 2, 3], np.int32), np.array([0, 192, 384, 576], np.int64)
    pixel_data = pa.py_buffer(np.concatenate([image.ravel() for image in IMAGES]))
    mask = pa.py_buffer(b"\x01") if nulls else None
    columns = [
        pa.Array.from_buffers(pa.string(), 3, [None, pa.py_buffer(key_offsets), pa.py_buffer("".join(KEYS).encode())]),
        pa.array(heights or [8, 8, 8], pa.int32()),
        pa.array([8, 8, 8], pa.int32()),
        pa.Array.from_buffers(pa.large_binary(), 3, [mask, pa.py_buffer(pixel_offsets), pixel_data]),
    ]
    result = pa.RecordBatch.from_arrays(columns, schema=pa.schema(shard_format._COLUMNS))
    key_offsets[:] = keys or key_offsets
    pixel_offsets[:] = pixels or pixel_offsets
    return result


FORGERIES: dict[str, dict[str, Any]] = {
    "keys beyond their buffer": {"keys": [0, 1, 2, 2**30]},
    "keys that go backwards": {"keys": [0, 3, 1, 3]},
    "pixels beyond their buffer": {"pixels": [0, 192, 384, 2**40]},
    "pixels before their buffer": {"pixels": [-(2**40), 192, 384, 576]},
    "pixels that go backwards": {"pixels": [0, 576, 192, 576]},
    "a huge height": {"heights": [8, 2**31 - 1, 8]},
    "a negative height": {"heights": [8, -8, 8]},
    "missing pixels": {"nulls": True},
}
FORGED_HEADS = [{"channels": "100000"}, {"dtype": "float64"}, {"batches": "[[3, -8, 1]]"}, {"batches": '[["3", 8, 1]]'}]


def write_forged(folder: Path, forged: pa.RecordBatch, monkeypatch: pytest.MonkeyPatch) -> Manifest:
    def record_batch(keys: list[str], images: ImageBuffer, which: slice) -> pa.RecordBatch:
        return forged

    monkeypatch.setattr(shard_format, "_record_batch", record_batch)
    images: list[ImageArray] = list(IMAGES)
    splits = {
        name: Split(count=3, shards=[write_shard(folder / f"{name}-0.arrow", KEYS, images)], smallest=(8, 8), largest=(8, 8))
        for name in TRAIN_SPLITS
    }
    manifest = make_manifest(splits)
    manifest.save(folder)
    return manifest


def test_the_forger_can_write_a_good_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = write_forged(tmp_path, batch(), monkeypatch)
    shards = ShardSet(tmp_path, manifest.splits["trainA"])
    assert [shards.key(i) for i in range(3)] == KEYS
    assert all((shards.image(i) == IMAGES[i]).all() for i in range(3))


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_shard_is_refused_where_it_is_read(
    forgery: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = write_forged(tmp_path, batch(**FORGERIES[forgery]), monkeypatch)
    manifest.verify(tmp_path)  # its checksums fit
    for read in (ShardSet(tmp_path, manifest.splits["trainA"]).key, ShardSet(tmp_path, manifest.splits["trainA"]).image):
        with pytest.raises(DAMAGE):
            read(2)
    assert main([str(tmp_path), "--sheet", str(tmp_path / "sheet.png")]) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1
    assert "trainA are damaged" in error[0]
    assert "build it again" in error[0]


@pytest.mark.parametrize("change", FORGED_HEADS)
def test_a_forged_head_is_refused(change: dict[str, str]) -> None:
    metadata = {"dtype": "uint8", "channels": "3", "batches": "[[3, 8, 1]]", **change}
    schema = pa.schema(shard_format._COLUMNS, metadata=metadata)
    start = b"ARROW1\0\0" + schema.serialize().to_pybytes()
    with pytest.raises(ValueError, match="its head"):
        shard_format.read_head(start)


def test_other_columns_are_refused() -> None:
    schema = pa.schema([("key", pa.large_string())], metadata={"dtype": "uint8", "channels": "3", "batches": "[]"})
    with pytest.raises(ValueError, match="columns"):
        shard_format.read_head(b"ARROW1\0\0" + schema.serialize().to_pybytes())
