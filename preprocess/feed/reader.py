"""What a feed actor does: from a position to a block of one worker's batches, read from shards. Knows nothing of Ray."""

import functools
import os
from collections.abc import Callable, Sequence

from preprocess.feed.augment import batches
from preprocess.feed.plan import Plan
from preprocess.shards.cache import CacheSettings
from preprocess.shards.image_buffer import ImageArray
from preprocess.shards.manifest import Manifest
from preprocess.shards.shard_set import DAMAGE, ShardSet
from ringcycle.errors import UserError
from ringcycle.storage.location import Location, redacted

DOMAINS = ("trainA", "trainB")


class Reader:
    """Reads blocks of rows rank::workers of the global batches; holds nothing but its arguments and open files."""

    def __init__(
        self,
        folder: Location,
        plan: Plan,
        batch: int,
        rank: int,
        workers: int,
        cache: CacheSettings | None = None,
        cpus: Sequence[int] = (),
    ) -> None:
        """Remember the arguments: an error here would reach the feed as the death of the actor, without its cause.

        folder: of a manifest, on the node or in an object store; cache: for shards in an object store; cpus: logical CPUs on which it runs,
        none: wherever the node lets it.
        """
        self._folder, self._plan, self._cache = folder, plan, cache
        self._share = (batch * workers, rank, workers)
        if cpus:
            os.sched_setaffinity(0, cpus)  # of this thread, and so of those that it starts

    def read(self, position: int, steps: int) -> ImageArray:
        """The batches of `steps` steps from `position` on: [steps, 2, batch, crop, crop, C], contiguous.

        Raises UserError with the name of the shard, if one cannot be read, or of the manifest.
        """
        rows = self._plan.worker_rows(position, *self._share, steps)
        for shards, index in zip(self._shards, rows.index, strict=True):
            shards.prefetch(index.tolist())
        return batches((_reading(self._shards[0]), _reading(self._shards[1])), rows, steps, self._plan.crop_size)

    def pid(self) -> int:
        """Id of the process in which the reader runs."""
        return os.getpid()

    @functools.cached_property
    def _shards(self) -> tuple[ShardSet, ShardSet]:
        splits = Manifest.load(self._folder).splits
        return ShardSet(self._folder, splits[DOMAINS[0]], self._cache), ShardSet(self._folder, splits[DOMAINS[1]], self._cache)


def _reading(shards: ShardSet) -> Callable[[int], ImageArray]:
    """ShardSet.image, with errors that a user understands."""

    def image(i: int) -> ImageArray:
        try:
            return shards.image(i)
        # A file cut off while it is mapped kills the process; the restarted one opens it anew and comes here.
        except DAMAGE as error:
            fact = "no such file" if isinstance(error, FileNotFoundError) else redacted(error).partition("\n")[0]
            raise UserError(f"{shards.file_of(i)} cannot be read ({fact}): delete {shards.folder} and build it again") from error

    return image
