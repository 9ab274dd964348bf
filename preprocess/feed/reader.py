"""What a feed actor does: from a position to a chunk, the batches of several steps of one worker. Knows nothing of Ray."""

import functools

from preprocess.feed.augment import ReadImage, batches
from preprocess.feed.plan import Plan, WorkerShare
from preprocess.images.decoded_image import ImageArray
from preprocess.shards.cache import CacheSettings
from preprocess.shards.manifest import Manifest
from preprocess.shards.shard_set import DAMAGE, ShardSet
from ringcycle.domains import TRAIN_SPLITS
from ringcycle.errors import UserError
from ringcycle.storage.location import Location, redacted


class Reader:
    """Reads chunks of one worker's batches; its only state is its arguments and open files."""

    def __init__(self, folder: Location, plan: Plan, share: WorkerShare, cache: CacheSettings | None = None) -> None:
        """Only keep the arguments: in an actor, an error here would reach the feed as the actor's death, without its cause.

        folder: of a manifest, on this node or in an object store; cache: for shards in an object store.
        """
        self._folder, self._plan, self._share, self._cache = folder, plan, share, cache

    def read(self, position: int, steps: int) -> ImageArray:
        """The batches of `steps` steps from `position` on: [steps, 2, batch, H, W, C], contiguous.

        Raises UserError if the manifest or a shard, which it names, cannot be read.
        """
        rows = self._plan.worker_rows(position, self._share, steps)
        for shards, index in zip(self._shards, rows.index, strict=True):
            shards.prefetch(index.tolist())
        return batches((_reading(self._shards[0]), _reading(self._shards[1])), rows, steps, self._plan.crop_size)

    @functools.cached_property
    def _shards(self) -> tuple[ShardSet, ShardSet]:
        splits = Manifest.load(self._folder).splits
        a, b = (splits[split] for split in TRAIN_SPLITS)
        return ShardSet(self._folder, a, self._cache), ShardSet(self._folder, b, self._cache)


def _reading(shards: ShardSet) -> ReadImage:
    """ShardSet.image, with errors as UserError."""

    def image(i: int) -> ImageArray:
        try:
            return shards.image(i)
        # A file truncated while it is mapped kills the process; the restarted one opens it again and gets here.
        except DAMAGE as error:
            fact = "no such file" if isinstance(error, FileNotFoundError) else redacted(error).partition("\n")[0]
            raise UserError(f"{shards.file_of(i)} cannot be read ({fact}): delete {shards.folder} and rebuild it") from error

    return image
