"""The bytes of a shard: an Arrow IPC file whose record batches can be read and checked one by one.

A record is one image, in the columns key (string), height and width (int32) and pixels (large_binary, channels last). The schema at the
head of the file holds dtype and channels, and lists the record batches in order: the number of records, the bytes and the CRC-32 of each.
So a reader needs the head once, and then only the byte range that holds its image. Equal images give equal bytes.
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

from preprocess.images.decoded_image import MOST_CHANNELS, ImageArray
from preprocess.shards.image_buffer import ImageBuffer

BATCH_BYTES = 2**20  # pixels per record batch, unless a single image has more: what one request to an object store fetches
HEAD_BYTES = 2**16  # the head of most shards is shorter
_FOOTER, _BLOCK = 2**12, 2**6  # upper bounds for Arrow's footer beside the schema, and for what each record batch adds to it
_MAGIC = b"ARROW1\0\0"
_CONTINUATION = b"\xff\xff\xff\xff"
_COLUMNS = [("key", pa.string()), ("height", pa.int32()), ("width", pa.int32()), ("pixels", pa.large_binary())]


class Span(NamedTuple):
    """One record batch: its records are first … first + records - 1 of the shard; where its bytes lie, and their CRC-32."""

    first: int
    records: int
    offset: int
    length: int
    crc32: int


@dataclass(frozen=True)
class Head:
    """The content of a shard's head."""

    schema: pa.Schema
    dtype: np.dtype[Any]
    channels: int
    spans: list[Span]

    def span_of(self, record: int) -> Span:
        """The record batch that holds a record."""
        return self.spans[bisect_right(self.spans, record, key=lambda span: span.first) - 1]


def encode(keys: list[str], images: Sequence[ImageArray]) -> pa.Buffer:
    """Encode images [H, W, C], all of one dtype (uint8 or uint16) and one C, and their keys as a file.

    The file of an ImageBuffer lies in the buffer's own memory, until the next one is encoded there. Raises ValueError if there are no
    images, or if they differ in dtype or C.
    """
    if not images or len(keys) != len(images):
        raise ValueError(f"{len(keys)} keys for {len(images)} images: a shard needs at least one, and a key for each")
    buffer = images if isinstance(images, ImageBuffer) else ImageBuffer.of(images)
    groups = list(buffer.groups(BATCH_BYTES))
    index = []
    for group in groups:
        message = _record_batch(keys[group], buffer, group).serialize()
        index.append([group.stop - group.start, message.size, zlib.crc32(message)])
    schema = pa.schema(_COLUMNS, metadata={"dtype": buffer.dtype.name, "channels": str(buffer.channels), "batches": json.dumps(index)})
    head = len(_MAGIC) + schema.serialize().size
    most = 2 * head + sum(size for _, size, _ in index) + _FOOTER + _BLOCK * len(index)
    sink = pa.FixedSizeBufferWriter(pa.py_buffer(buffer.memory.file(most)))
    with pa.ipc.new_file(sink, schema) as writer:
        ends = []
        for group in groups:
            writer.write_batch(_record_batch(keys[group], buffer, group))
            ends.append(sink.tell())
    file = pa.py_buffer(buffer.memory.file(sink.tell()))
    assert [span.offset + span.length for span in read_head(file).spans] == ends, "this version of Arrow lays out files differently"
    return file


def head_length(start: bytes | pa.Buffer) -> int:
    """Bytes of a shard's head, from its first 16 bytes. Raises ValueError if this is not a shard."""
    mark = bytes(start[:16])
    if len(mark) < 16 or mark[:8] != _MAGIC or mark[8:12] != _CONTINUATION:
        raise ValueError("it does not start like a shard")
    return 16 + int.from_bytes(mark[12:], "little", signed=True)


def head_crc32(start: bytes | pa.Buffer) -> int:
    """Checksum of the head, which holds the record batches' checksums: stored in the manifest, it covers every byte that is read."""
    return zlib.crc32(start[: head_length(start)])


def check_head(crc32: int, start: bytes | pa.Buffer) -> None:
    """Raises ValueError if this is not the head that was written."""
    if (found := head_crc32(start)) != crc32:
        raise ValueError(f"its head is damaged or belongs to another shard: its CRC-32 is {found:08x}, but {crc32:08x} was written")


def read_head(start: bytes | pa.Buffer) -> Head:
    """The head of a shard, from its first `head_length` bytes or more. Raises ValueError, LookupError or TypeError if it is damaged."""
    length = head_length(start)
    schema = pa.ipc.read_schema(pa.py_buffer(start)[8:length])
    metadata = schema.metadata or {}
    if not schema.equals(pa.schema(_COLUMNS)):
        raise ValueError("its columns are not those of a shard")
    if metadata[b"dtype"] not in (b"uint8", b"uint16") or not 1 <= int(metadata[b"channels"]) <= MOST_CHANNELS:
        raise ValueError("its head states pixels that no shard has")
    index = json.loads(metadata[b"batches"])
    if not all(type(number) is int and number >= 0 for entry in index for number in entry):
        raise ValueError("its head lists impossible record batches")
    firsts = accumulate((count for count, _, _ in index), initial=0)
    offsets = accumulate((size for _, size, _ in index), initial=length)
    spans = [Span(first, count, offset, size, crc) for first, offset, (count, size, crc) in zip(firsts, offsets, index, strict=False)]
    return Head(schema, np.dtype(metadata[b"dtype"].decode()), int(metadata[b"channels"]), spans)


class RecordBatch:
    """The images of one record batch, as views of its bytes."""

    def __init__(self, head: Head, span: Span, content: pa.Buffer) -> None:
        """Raises ArrowInvalid (a ValueError), ValueError or OSError if the bytes are not such a record batch.

        A checksum proves no good intentions: offsets are checked before they are followed (Arrow's security considerations).
        """
        batch = pa.ipc.read_record_batch(content, head.schema)
        batch.validate(full=True)
        if batch.num_rows != span.records or any(column.null_count for column in batch.columns):
            raise ValueError(f"its record batch at {span.offset} does not hold {span.records} complete records")
        _, offsets, data = batch["pixels"].buffers()
        self._first = span.first
        self._keys = batch["key"]
        self._shapes = np.stack([batch["height"], batch["width"], np.full(batch.num_rows, head.channels)], axis=1)
        self._offsets = np.frombuffer(offsets, np.int64)
        self._pixels = np.frombuffer(data, head.dtype)
        sizes = self._shapes.astype(np.int64).prod(axis=1) * head.dtype.itemsize
        stored = np.diff(self._offsets[: batch.num_rows + 1])
        if (self._shapes <= 0).any() or (stored != sizes).any() or self._offsets[0] % head.dtype.itemsize:
            raise ValueError(f"its record batch at {span.offset} holds images of other sizes than it states")

    def image(self, record: int) -> ImageArray:
        """The image of a record, which is numbered within the shard: [H, W, C], read-only."""
        at = record - self._first
        start, end = self._offsets[at : at + 2] // self._pixels.itemsize
        return self._pixels[start:end].reshape(self._shapes[at])

    def key(self, record: int) -> str:
        """The key of a record."""
        return str(self._keys[record - self._first].as_py())


def check(span: Span, content: bytes | pa.Buffer) -> None:
    """Raises ValueError if these are not the bytes of the span that were written."""
    if len(content) != span.length:
        raise ValueError(f"it ends after {len(content)} of {span.length} bytes of the record batch at {span.offset}")
    found = zlib.crc32(content)
    if found != span.crc32:
        images = f"{span.first} to {span.first + span.records - 1}"
        raise ValueError(f"its images {images} are damaged: their CRC-32 is {found:08x}, but {span.crc32:08x} was written")


def _record_batch(keys: list[str], images: ImageBuffer, which: slice) -> pa.RecordBatch:
    """A record batch whose pixels are views."""
    shapes = np.array(images.shapes(which), np.int32)
    buffers = [None, pa.py_buffer(images.starts(which)), pa.py_buffer(images.flat(which))]
    pixels = pa.Array.from_buffers(pa.large_binary(), len(keys), buffers)
    columns = [pa.array(keys), pa.array(shapes[:, 0]), pa.array(shapes[:, 1]), pixels]
    return pa.record_batch(columns, schema=pa.schema(_COLUMNS))
