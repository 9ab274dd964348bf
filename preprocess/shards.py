"""Shards: Arrow IPC files of pictures, read through a memory map without a copy.

A file has one record batch with the columns key (string), height and width (int32) and pixels (large_binary, channels last);
its schema says dtype and channels. Equal pictures give equal bytes.
"""

import functools
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from preprocess.files import sha256, write_atomic
from preprocess.manifest import ShardFile, Split

Picture = npt.NDArray[Any]


def write_shard(path: Path, keys: list[str], pictures: list[Picture]) -> ShardFile:
    """Write pictures [H, W, C], all of one dtype (uint8 or uint16) and one C, and their keys; whole or not at all.

    Raises ValueError for no pictures or mixed ones, OSError if the disk refuses.
    """
    if not pictures or len(keys) != len(pictures):
        raise ValueError(f"{len(keys)} keys for {len(pictures)} pictures: a shard needs at least one, and a key for each")
    dtype, channels = pictures[0].dtype, pictures[0].shape[2]
    if any(picture.dtype != dtype or picture.shape[2] != channels for picture in pictures):
        raise ValueError("pictures of one shard differ in dtype or channels")
    schema = pa.schema(
        [("key", pa.string()), ("height", pa.int32()), ("width", pa.int32()), ("pixels", pa.large_binary())],
        metadata={"dtype": dtype.name, "channels": str(channels)},
    )
    heights, widths = [picture.shape[0] for picture in pictures], [picture.shape[1] for picture in pictures]
    batch = pa.record_batch([pa.array(keys), pa.array(heights, pa.int32()), pa.array(widths, pa.int32()), _binary(pictures)], schema=schema)

    def write(file: Any) -> None:
        with pa.ipc.new_file(file, schema) as writer:
            writer.write_batch(batch)

    write_atomic(path, write)
    return ShardFile(name=path.name, count=len(keys), bytes=path.stat().st_size, sha256=sha256(path))


class ShardSet:
    """The pictures of one split, numbered from 0 in the order of the manifest; files are opened when first needed."""

    def __init__(self, folder: Path, split: Split) -> None:
        self._paths = [folder / shard.name for shard in split.shards]
        self._starts = [0, *accumulate(shard.count for shard in split.shards)]
        self._open = functools.cache(_Shard)

    def __len__(self) -> int:
        return self._starts[-1]

    def picture(self, i: int) -> Picture:
        """Picture i as a read-only view [H, W, C] into the memory map; it stays valid after the set is gone.

        Raises IndexError outside [0, len), OSError or ArrowInvalid if the file is missing or damaged.
        """
        shard, row = self._find(i)
        return shard.picture(row)

    def key(self, i: int) -> str:
        """The path inside the source from which picture i was made; raises as `picture`."""
        shard, row = self._find(i)
        return shard.key(row)

    def _find(self, i: int) -> tuple["_Shard", int]:
        if not 0 <= i < len(self):
            raise IndexError(f"picture {i} of {len(self)}")
        which = bisect_right(self._starts, i) - 1
        return self._open(self._paths[which]), i - self._starts[which]


class _Shard:
    """One open file: its columns as NumPy views."""

    def __init__(self, path: Path) -> None:
        # Closing the file keeps the mapping, which the batch owns, but frees the descriptor: a large set has thousands of shards.
        with pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as reader:
            batch, metadata = reader.get_batch(0), reader.schema.metadata
        _, offsets, data = batch["pixels"].buffers()
        self._keys = batch["key"]
        self._shapes = np.stack([batch["height"], batch["width"], np.full(batch.num_rows, int(metadata[b"channels"]))], axis=1)
        self._offsets = np.frombuffer(offsets, np.int64)
        self._pixels = np.frombuffer(data, np.dtype(metadata[b"dtype"].decode()))

    def picture(self, row: int) -> Picture:
        start, end = self._offsets[row : row + 2] // self._pixels.itemsize
        return self._pixels[start:end].reshape(self._shapes[row])

    def key(self, row: int) -> str:
        return str(self._keys[row].as_py())


def _binary(pictures: list[Picture]) -> pa.LargeBinaryArray:
    """Pictures as one column, joined once: from bytes objects Arrow would copy twice."""
    offsets = np.array([0, *accumulate(picture.nbytes for picture in pictures)], np.int64)
    data = np.concatenate([picture.reshape(-1) for picture in pictures])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.large_binary(), len(pictures), buffers)
