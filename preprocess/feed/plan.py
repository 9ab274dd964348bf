"""Which image, which crop, which flip: everything random about data, as a pure function of (seed, position).

*Position* counts images per domain since the start of training. Each domain is an endless chain of permutations of
its own size, so batches run across epoch ends, and nothing here depends on the number of workers or on what was read before.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ringcycle.errors import UserError
from ringcycle.hashing import below, hash64

Int64 = npt.NDArray[np.int64]
UInt32 = npt.NDArray[np.uint32]
Bool = npt.NDArray[np.bool_]

# Four rounds make a Feistel network pseudo-random in the large (Luby, Rackoff, 1988), but few images have few round
# functions: over 240,000 cycles, 14 rounds still visibly prefer some of the 5,040 orders of 7 images, 18 do not.
ROUNDS = 18

DOMAINS = np.arange(2)[:, None]


@dataclass(frozen=True, eq=False)
class Rows:
    """What to read for `count` positions of both domains; axis 0 is the domain, A then B."""

    index: Int64
    """[2, count]: number of the image within its domain."""
    top: UInt32
    """[2, count]: where the crop begins in the rows that the image has beyond it, see `offset`."""
    left: UInt32
    """[2, count]: the same in columns."""
    flip: Bool
    """[2, count]: whether the crop is mirrored left to right."""

    def columns(self, which: slice) -> "Rows":
        """The rows of some of the positions, as views."""
        return Rows(self.index[:, which], self.top[:, which], self.left[:, which], self.flip[:, which])


@dataclass(frozen=True)
class Plan:
    """The order of the images (|A|, |B|) = `sizes`, with crops of `crop_size` pixels a side out of images of any size."""

    sizes: tuple[int, int]
    seed: int
    crop_size: int
    flip: bool

    def __post_init__(self) -> None:
        assert min(self.sizes) >= 1, self.sizes
        assert self.crop_size >= 1, self.crop_size

    @property
    def epoch_length(self) -> int:
        """Positions in an epoch: max(|A|, |B|), so that each image of the larger domain is seen once."""
        return max(self.sizes)

    def rows(self, position: int, count: int) -> Rows:
        """Rows of the positions position … position + count - 1."""
        return self._at(position + np.arange(count))

    def worker_rows(self, position: int, global_batch: int, rank: int, workers: int, steps: int = 1) -> Rows:
        """Rows rank::workers of each of the `steps` global batches that begin at `position`, step after step.

        Result: [2, steps * global_batch / workers]; `workers` must divide `global_batch` (see `check_workers`).
        """
        assert global_batch % workers == 0 and 0 <= rank < workers, (global_batch, rank, workers)
        return self._at(position + np.arange(rank, steps * global_batch, workers))

    def _at(self, positions: Int64) -> Rows:
        cycle, offset = np.divmod(positions, np.array(self.sizes)[:, None])
        draws = hash64(self.seed, "crop", np.arange(3)[:, None, None], DOMAINS, positions)
        return Rows(
            index=_permute(self.seed, self.sizes, cycle, offset),
            top=_upper(draws[0]),
            left=_upper(draws[1]),
            flip=(below(2, draws[2]) == 1) & self.flip,
        )


def offset(share: npt.ArrayLike, room: npt.ArrayLike) -> Int64:
    """First pixel of a crop: `share` in [0, 2**32) of the offsets 0 … room, all alike (bias under room / 2**32)."""
    return np.asarray(share, np.int64) * (np.asarray(room, np.int64) + 1) >> np.int64(32)


def check_workers(global_batch: int, workers: int) -> None:
    """Raise UserError unless `workers` divides `global_batch`, which keeps the order of images and the size of a step."""
    if workers < 1 or global_batch % workers:
        valid = ", ".join(str(n) for n in range(1, global_batch + 1) if global_batch % n == 0)
        raise UserError(f"cluster.workers = {workers} does not divide the global batch of {global_batch} images: use one of {valid}")


def _upper(hashes: npt.NDArray[np.uint64]) -> UInt32:
    return (hashes >> np.uint64(32)).astype(np.uint32)


def _permute(seed: int, sizes: tuple[int, int], cycle: Int64, offset: Int64) -> Int64:
    """Element `offset` of permutation number `cycle` of range(sizes[domain]); all arrays [2, count], memory O(count).

    A Feistel network on a near-square grid that just holds the domain, high * low, with additions modulo the sides for
    exclusive or: a bijection for any sides. Places outside the domain walk on along their orbit (cycle walking, Black
    and Rogaway, 2002), which always comes back, as it began inside.
    """
    # An even side, since shifts along odd sides are even permutations only: half the orders of 7 images would be rare.
    high = np.array([[(math.isqrt(size - 1) + 2) // 2 * 2] for size in sizes])
    low = -(-np.array(sizes)[:, None] // high)
    keys = hash64(seed, "order", np.arange(ROUNDS)[:, None, None], DOMAINS, cycle)
    place = _feistel(seed, keys, high, low, offset)
    size = np.array(sizes)[:, None]
    while (outside := place >= size).any():
        place = np.where(outside, _feistel(seed, keys, high, low, place), place)
    return place


def _feistel(seed: int, keys: npt.NDArray[np.uint64], high: Int64, low: Int64, place: Int64) -> Int64:
    left, right = np.divmod(place, low)
    for number, key in enumerate(keys):
        if number % 2 == 0:
            left = (left + below(high, hash64(seed, "round", key ^ right.astype(np.uint64)))) % high
        else:
            right = (right + below(low, hash64(seed, "round", key ^ left.astype(np.uint64)))) % low
    return left * low + right
