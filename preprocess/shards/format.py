"""The bytes of a shard: an Arrow IPC file whose record batches can be read, and checked, one by one.

The columns are key (string), height and width (int32) and pixels (large_binary, channels last). The schema at the file's head says dtype
and channels, and lists the record batches: rows, bytes and CRC-32 of each, in order. So a reader needs the head once, then only
the range of bytes that holds its image. Equal images give equal bytes.
"""

import json
import zlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from preprocess.shards.image_buffer import ImageArray, ImageBuffer

BATCH_BYTES = 2**20  # pixels of one record batch, if one image has not more: what a read from an object store fetches
HEAD_BYTES = 2**16  # where the head of most shards ends
_FOOTER, _BLOCK = 2**12, 2**6  # more bytes than Arrow's footer has beside the schema, and in it for each record batch
_MAGIC = b"ARROW1\0\0"
_CONTINUATION = b"\xff\xff\xff\xff"
_COLUMNS = [("key", pa.string()), ("height", pa.int32()), ("width", pa.int32()), ("pixels", pa.large_binary())]


class Span(NamedTuple):
    """One record batch: its rows are first_row … first_row + rows - 1; its bytes and their CRC-32."""

    first_row: int
    rows: int
    offset: int
    length: int
    crc32: int


@dataclass(frozen=True)
class Head:
    """What the head of a shard says."""

    schema: pa.Schema
    dtype: np.dtype[Any]
    channels: int
    spans: list[Span]

    def span_of(self, row: int) -> Span:
        """The record batch that holds a row."""
        return self.spans[bisect_right(self.spans, row, key=lambda span: span.first_row) - 1]


def encode(keys: list[str], images: Sequence[ImageArray]) -> pa.Buffer:
    """The file of images [H, W, C], all of one dtype (uint8 or uint16) and one C, and their keys.

    Of `Joined` images it lies in their memory, until another one is made there. Raises ValueError for no images or mixed ones.
    """
    if not images or len(keys) != len(images):
        raise ValueError(f"{len(keys)} keys for {len(images)} images: a shard needs at least one, and a key for each")
    joined = images if isinstance(images, ImageBuffer) else ImageBuffer.of(images)
    groups = list(joined.groups(BATCH_BYTES))
    index = []
    for group in groups:
        message = _batch(keys[group], joined, group).serialize()
        index.append([group.stop - group.start, message.size, zlib.crc32(message)])
    schema = pa.schema(_COLUMNS, metadata={"dtype": joined.dtype.name, "channels": str(joined.channels), "batches": json.dumps(index)})
    head = len(_MAGIC) + schema.serialize().size
    most = 2 * head + sum(size for _, size, _ in index) + _FOOTER + _BLOCK * len(index)
    sink = pa.FixedSizeBufferWriter(pa.py_buffer(joined.memory.file(most)))
    with pa.ipc.new_file(sink, schema) as writer:
        ends = []
        for group in groups:
            writer.write_batch(_batch(keys[group], joined, group))
            ends.append(sink.tell())
    file = pa.py_buffer(joined.memory.file(sink.tell()))
    assert [span.offset + span.length for span in read_head(file).spans] == ends, "Arrow lays its files out in another way"
    return file


def head_length(start: bytes | pa.Buffer) -> int:
    """Bytes of a shard's head, from its first 16. Raises ValueError if this is no shard."""
    mark = bytes(start[:16])
    if len(mark) < 16 or mark[:8] != _MAGIC or mark[8:12] != _CONTINUATION:
        raise ValueError("it does not begin as a shard does")
    return 16 + int.from_bytes(mark[12:], "little", signed=True)


def head_crc32(start: bytes | pa.Buffer) -> int:
    """Checksum of the head, which holds those of the record batches: with it in the manifest, no part of a shard can differ unseen."""
    return zlib.crc32(start[: head_length(start)])


def check_head(crc32: int, start: bytes | pa.Buffer) -> None:
    """Raises ValueError if this is not the head that was written."""
    if (found := head_crc32(start)) != crc32:
        raise ValueError(f"its head is damaged or of another shard: its CRC-32 is {found:08x}, but {crc32:08x} was written")


def read_head(start: bytes | pa.Buffer) -> Head:
    """The head of a shard, from its first `head_length` bytes or more. Raises ValueError, LookupError or TypeError if it is damaged."""
    length = head_length(start)
    schema = pa.ipc.read_schema(pa.py_buffer(start)[8:length])
    metadata = schema.metadata or {}
    index = json.loads(metadata[b"batches"])
    rows = accumulate((count for count, _, _ in index), initial=0)
    offsets = accumulate((size for _, size, _ in index), initial=length)
    spans = [Span(row, count, offset, size, crc) for row, offset, (count, size, crc) in zip(rows, offsets, index, strict=False)]
    return Head(schema, np.dtype(metadata[b"dtype"].decode()), int(metadata[b"channels"]), spans)


class Batch:
    """The images of one record batch as views of its bytes."""

    def __init__(self, head: Head, span: Span, content: pa.Buffer) -> None:
        """Raises ArrowInvalid (a ValueError) or OSError if the bytes are no such record batch."""
        batch = pa.ipc.read_record_batch(content, head.schema)
        _, offsets, data = batch["pixels"].buffers()
        self._first = span.first_row
        self._keys = batch["key"]
        self._shapes = np.stack([batch["height"], batch["width"], np.full(batch.num_rows, head.channels)], axis=1)
        self._offsets = np.frombuffer(offsets, np.int64)
        self._pixels = np.frombuffer(data, head.dtype)

    def image(self, row: int) -> ImageArray:
        """The image of a row of the shard, [H, W, C], read-only."""
        at = row - self._first
        start, end = self._offsets[at : at + 2] // self._pixels.itemsize
        return self._pixels[start:end].reshape(self._shapes[at])

    def key(self, row: int) -> str:
        """Its key."""
        return str(self._keys[row - self._first].as_py())


def check(span: Span, content: bytes | pa.Buffer) -> None:
    """Raises ValueError if these are not the bytes of the span that were written."""
    if len(content) != span.length:
        raise ValueError(f"it ends after {len(content)} of {span.length} bytes of the record batch at {span.offset}")
    found = zlib.crc32(content)
    if found != span.crc32:
        rows = f"{span.first_row} to {span.first_row + span.rows - 1}"
        raise ValueError(f"its images {rows} are damaged: their CRC-32 is {found:08x}, but {span.crc32:08x} was written")


def _batch(keys: list[str], images: ImageBuffer, rows: slice) -> pa.RecordBatch:
    """One record batch; its pixels are views."""
    shapes = np.array(images.shapes(rows), np.int32)
    buffers = [None, pa.py_buffer(images.starts(rows)), pa.py_buffer(images.flat(rows))]
    pixels = pa.Array.from_buffers(pa.large_binary(), len(keys), buffers)
    columns = [pa.array(keys), pa.array(shapes[:, 0]), pa.array(shapes[:, 1]), pixels]
    return pa.record_batch(columns, schema=pa.schema(_COLUMNS))
