"""Shards written and read: mapped into memory on disks and mounted file systems, by ranges from object stores, through a cache."""

import contextlib
import functools
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from itertools import accumulate

from preprocess.shards.cache import GIB, CacheSettings, ShardCache
from preprocess.shards.files import MappedShard, RangedShard
from preprocess.shards.format import BATCH_BYTES, Batch, Head, Span, check, encode, head_crc32
from preprocess.shards.image_buffer import ImageArray
from preprocess.shards.manifest import ShardFile, Split
from ringcycle.storage.location import Location
from ringcycle.storage.store import Store, parent_and_name

REQUESTS = 16  # at once, from one process to an object store
DAMAGE = (OSError, ValueError, LookupError, TypeError)  # what Arrow and NumPy raise for a file that is missing, cut off or overwritten
_OPEN_SHARDS = 512
_HELD_BYTES = 64 * 2**20  # of record batches from an object store that a set holds in memory
_MAPPED_BATCHES = 4096  # that a set holds as views of mapped files


def write_shard(path: Location, keys: list[str], images: Sequence[ImageArray]) -> ShardFile:
    """Write images [H, W, C], all of one dtype (uint8 or uint16) and one C, and their keys; whole or not at all.

    It is not waited for until a disk has them (`Store.sync`): whoever finds the file after a loss of power must look at its checksum.

    Raises ValueError for no images or mixed ones, OSError if the disk or the object store refuses.
    """
    file = encode(keys, images)
    store, name = parent_and_name(path)
    store.write(name, memoryview(file), sync=False)
    return ShardFile(name=name, count=len(keys), bytes=file.size, sha256=sha256(file).hexdigest(), head_crc32=head_crc32(file))


class ShardSet:
    """The images of one split, numbered from 0 in the order of the manifest; files are opened when first needed.

    Holds a bounded number of them open, and one byte for each image, whatever their number.
    """

    def __init__(self, folder: Location, split: Split, cache: CacheSettings | None = None) -> None:
        """cache: for shards in an object store, which without one are fetched at each use."""
        self._store = Store(folder)
        self._shards = split.shards
        self._starts = [0, *accumulate(shard.count for shard in split.shards)]
        self._checked = bytearray(len(self))  # 1 at the first image of a record batch whose checksum was right
        self._remote = self._store.local is None
        self._cache = ShardCache(cache.folder, int(cache.gib * GIB)) if cache and self._remote else None
        self._open = functools.lru_cache(_OPEN_SHARDS)(self._open_shard)
        self._batch = functools.lru_cache(self._batches_held())(self._read_batch)

    def __len__(self) -> int:
        return self._starts[-1]

    def image(self, i: int) -> ImageArray:
        """Image i as a read-only view [H, W, C], of the memory map if there is one; it stays valid after the set is gone.

        Raises IndexError outside [0, len), OSError, ValueError, LookupError or TypeError if the file is missing or damaged.
        """
        which, row = self._find(i)
        return self._batch(which, self._open(which).head.span_of(row)).image(row)

    def key(self, i: int) -> str:
        """The path inside the source from which image i was made; raises as `image`."""
        which, row = self._find(i)
        return self._batch(which, self._open(which).head.span_of(row)).key(row)

    @property
    def folder(self) -> str:
        """How the folder is named to the user."""
        return self._store.label()

    def file_of(self, i: int) -> str:
        """How the shard of image i is named to the user."""
        return self._store.label(self._shards[self._find(i)[0]].name)

    def prefetch(self, images: Iterable[int]) -> None:
        """Fetch what these images need from an object store, many requests at once; errors come when a image is read."""
        if self._remote:
            found = [self._find(i) for i in images]
            with ThreadPoolExecutor(REQUESTS) as pool:
                files = dict.fromkeys(which for which, _ in found)
                opened = dict(zip(files, pool.map(self._try_open, files), strict=True))
                spans = dict.fromkeys((which, head.span_of(row)) for which, row in found if (head := opened[which]))
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

    def _read_batch(self, which: int, span: Span) -> Batch:
        shard, first = self._open(which), self._starts[which] + span.first_row
        content = shard.read(span)
        if not self._checked[first]:
            check(span, content)
            self._checked[first] = 1
        return Batch(shard.head, span, content)
