"""What a feed actor does: from a position to a block of one worker's batches, read from shards. Knows nothing of Ray."""

import functools
import itertools
import os
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path

from preprocess.augment import batches
from preprocess.errors import UserError
from preprocess.manifest import Manifest, Split
from preprocess.plan import Plan
from preprocess.shards import Picture, ShardSet

DOMAINS = ("trainA", "trainB")


class Reader:
    """Reads blocks of rows rank::workers of the global batches; holds nothing but its arguments and open files."""

    def __init__(self, folder: Path, plan: Plan, batch: int, rank: int, workers: int) -> None:
        """Remember the arguments: an error here would reach the feed as the death of the actor, without its cause."""
        self._folder, self._plan = folder, plan
        self._share = (batch * workers, rank, workers)

    def read(self, position: int, steps: int) -> Picture:
        """The batches of `steps` steps from `position` on: [steps, 2, batch, crop, crop, C], contiguous.

        Raises UserError with the name of the shard, if one cannot be read, or of the manifest.
        """
        rows = self._plan.worker_rows(position, *self._share, steps)
        return batches(self._pictures, rows, steps, self._plan.crop_size)

    def pid(self) -> int:
        """Id of the process in which the reader runs."""
        return os.getpid()

    @functools.cached_property
    def _pictures(self) -> tuple[Callable[[int], Picture], Callable[[int], Picture]]:
        splits = Manifest.load(self._folder).splits
        return _reading(self._folder, splits[DOMAINS[0]]), _reading(self._folder, splits[DOMAINS[1]])


def _reading(folder: Path, split: Split) -> Callable[[int], Picture]:
    """ShardSet.picture, with errors that a user understands."""
    shards = ShardSet(folder, split)
    ends = list(itertools.accumulate(shard.count for shard in split.shards))

    def picture(i: int) -> Picture:
        try:
            return shards.picture(i)
        # What Arrow and NumPy raise for a file that is missing, cut off or overwritten. A file cut off while it is mapped kills
        # the process; the restarted one opens it anew and comes here.
        except (OSError, ValueError, LookupError, TypeError) as error:
            path = folder / split.shards[bisect_right(ends, i)].name
            fact = str(error).partition("\n")[0] if path.exists() else "no such file"
            raise UserError(f"{path} cannot be read ({fact}): delete {folder} and build it again") from error

    return picture
