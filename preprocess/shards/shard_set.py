"""Writes shards, and reads images from a set of them: memory-mapped on file systems, by byte ranges and a cache from object stores."""

import contextlib
import functools
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from itertools import accumulate

from preprocess.images.decoded_image import ImageArray
from preprocess.shards.cache import GIB, CacheSettings, ShardCache
from preprocess.shards.files import MappedShard, RangedShard
from preprocess.shards.format import BATCH_BYTES, Head, RecordBatch, Span, check, encode, head_crc32
from preprocess.shards.manifest import ShardFile, Split
from ringcycle.storage.location import Location
from ringcycle.storage.store import Store, parent_and_name

REQUESTS = 16  # at a time, from one process to an object store
DAMAGE = (OSError, ValueError, LookupError, TypeError)  # what Arrow and NumPy raise for a file that is missing, truncated or overwritten
_OPEN_SHARDS = 512
_HELD_BYTES = 64 * 2**20  # record batches from an object store that a set keeps in memory
_MAPPED_BATCHES = 4096  # record batches that a set keeps as views of mapped files


def write_shard(path: Location, keys: list[str], images: Sequence[ImageArray]) -> ShardFile:
    """Write images [H, W, C], all of one dtype (uint8 or uint16) and one C, and their keys, atomically.

    The file is not flushed to disk (`Store.sync` does): a reader that finds it after a power failure must verify its checksum.

    Raises ValueError if there are no images, or if they differ in dtype or C; OSError if the disk or the object store refuses them.
    """
    file = encode(keys, images)
    store, name = parent_and_name(path)
    store.write(name, memoryview(file), sync=False)
    return ShardFile(name=name, count=len(keys), bytes=file.size, sha256=sha256(file).hexdigest(), head_crc32=head_crc32(file))


class ShardSet:
    """The images of one split, numbered from 0 in the order of the manifest. Files are opened when first needed.

    Keeps a bounded number of shards open, and one byte per image.
    """

    def __init__(self, folder: Location, split: Split, cache: CacheSettings | None = None) -> None:
        """cache: for shards in an object store; without one, they are fetched at each use."""
        self._store = Store(folder)
        self._shards = split.shards
        self._starts = [0, *accumulate(shard.count for shard in split.shards)]
        self._checked = bytearray(len(self))  # 1 at the first image of each record batch whose checksum has been verified
        self._remote = self._store.local is None
        self._cache = ShardCache(cache.folder, int(cache.gib * GIB)) if cache and self._remote else None
        self._open = functools.lru_cache(_OPEN_SHARDS)(self._open_shard)
        self._batch = functools.lru_cache(self._batches_held())(self._read_batch)

    def __len__(self) -> int:
        return self._starts[-1]

    def image(self, i: int) -> ImageArray:
        """Image i as a read-only view [H, W, C], of the memory map if there is one; it stays valid after the set has been deleted.

        Raises IndexError outside [0, len), OSError, ValueError, LookupError or TypeError if the file is missing or damaged.
        """
        which, record = self._find(i)
        return self._batch(which, self._open(which).head.span_of(record)).image(record)

    def key(self, i: int) -> str:
        """The path of image i inside the source. Raises as `image`."""
        which, record = self._find(i)
        return self._batch(which, self._open(which).head.span_of(record)).key(record)

    @property
    def folder(self) -> str:
        """The folder as shown to the user."""
        return self._store.label()

    def file_of(self, i: int) -> str:
        """The shard file of image i as shown to the user."""
        return self._store.label(self._shards[self._find(i)[0]].name)

    def prefetch(self, images: Iterable[int]) -> None:
        """Fetch these images from an object store with many requests at a time. Errors are raised when an image is read."""
        if self._remote:
            found = [self._find(i) for i in images]
            with ThreadPoolExecutor(REQUESTS) as pool:
                files = dict.fromkeys(which for which, _ in found)
                opened = dict(zip(files, pool.map(self._try_open, files), strict=True))
                spans = dict.fromkeys((which, head.span_of(record)) for which, record in found if (head := opened[which]))
                list(pool.map(self._try_read, spans))

    def _try_open(self, which: int) -> Head | None:
        with contextlib.suppress(*DAMAGE):
            return self._open(which).head
        return None

    def _try_read(self, at: tuple[int, Span]) -> None:
        with contextlib.suppress(*DAMAGE):
            self._batch(*at)

    def _find(self, i: int) -> tuple[int, int]:
        if not 0 <= i < len(self):
            raise IndexError(f"image {i} of {len(self)}")
        which = bisect_right(self._starts, i) - 1
        return which, i - self._starts[which]

    def _batches_held(self) -> int:
        if not self._remote or not len(self):
            return _MAPPED_BATCHES
        image = sum(shard.bytes for shard in self._shards) // len(self)
        return max(4, _HELD_BYTES // max(BATCH_BYTES, image))

    def _open_shard(self, which: int) -> MappedShard | RangedShard:
        shard, folder = self._shards[which], self._store.local
        return MappedShard(folder / shard.name, shard) if folder else RangedShard(self._store, shard, self._cache)

    def _read_batch(self, which: int, span: Span) -> RecordBatch:
        shard, first = self._open(which), self._starts[which] + span.first
        content = shard.read(span)
        if not self._checked[first]:
            check(span, content)
            self._checked[first] = 1
        return RecordBatch(shard.head, span, content)
