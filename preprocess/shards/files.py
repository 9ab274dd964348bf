"""One shard open for reading: mapped into memory, or read by byte ranges from an object store."""

from pathlib import Path

import pyarrow as pa

from preprocess.shards.cache import ShardCache
from preprocess.shards.format import HEAD_BYTES, Head, Span, check, check_head, head_length, read_head
from preprocess.shards.manifest import ShardFile
from ringcycle.storage.store import Store


class MappedShard:
    """A shard on a disk or a mounted file system: its bytes are views of the memory map."""

    def __init__(self, path: Path, shard: ShardFile) -> None:
        """shard: its entry in the manifest.

        Raises OSError, ValueError, LookupError or TypeError if the file is missing, damaged or a different one.
        """
        # Closing the file keeps the mapping, which the buffer owns, but frees the descriptor: a large set has thousands of shards.
        with pa.memory_map(str(path)) as file:
            self._file = file.read_buffer()
        check_head(shard.head_crc32, self._file)
        self.head: Head = read_head(self._file)

    def read(self, span: Span) -> pa.Buffer:
        """The bytes of a record batch; fewer if the file has been truncated."""
        return self._file[span.offset : span.offset + span.length]


class RangedShard:
    """A shard in an object store: only what is needed is fetched, and kept in the cache."""

    def __init__(self, store: Store, shard: ShardFile, cache: ShardCache | None) -> None:
        """Arguments and errors as `MappedShard`."""
        self._store, self._shard, self._cache = store, shard, cache
        start = self._get(0, HEAD_BYTES)
        length = head_length(start)
        start = start if length <= len(start) else self._get(0, length)
        check_head(shard.head_crc32, start)
        self.head: Head = read_head(start)

    def read(self, span: Span) -> pa.Buffer:
        """The bytes of a record batch, checked. Raises ValueError if the store holds others."""
        content = self._get(span.offset, span.length)
        try:
            check(span, content)
        except ValueError:
            # The cache may have kept bytes of a broken connection, or of another version of the file: ask the store once more.
            if self._cache:
                self._cache.forget(self._key(span.offset, span.length))
            content = self._get(span.offset, span.length)
            check(span, content)
        return pa.py_buffer(content)

    def _get(self, offset: int, length: int) -> bytes:
        def fetch() -> bytes:
            return self._store.read_range(self._shard.name, offset, length)

        return self._cache.get(self._key(offset, length), fetch) if self._cache else fetch()

    def _key(self, offset: int, length: int) -> str:
        """Named by content, so the same shard under another name or in another store is the same entry."""
        return f"{self._shard.sha256}-{offset}-{length}"
