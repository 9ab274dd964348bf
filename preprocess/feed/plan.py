"""Which image, which crop, which flip: everything random about data, as a pure function of (seed, position).

*Position* counts images per domain since the start of training. Each domain is an endless chain of permutations of its own size, so
batches run across epoch ends. Nothing here depends on the number of workers or on what was read before.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ringcycle.hashing import below, hash64

Int64 = npt.NDArray[np.int64]
UInt32 = npt.NDArray[np.uint32]
Bool = npt.NDArray[np.bool_]

# Enough rounds make a Feistel network pseudo-random for large domains (Luby, Rackoff, 1988), but few images have few round functions:
# over 240,000 cycles, 14 rounds still visibly favour some of the 5,040 orders of 7 images, 18 do not.
ROUNDS = 18

_DOMAINS = np.arange(2)[:, None]


@dataclass(frozen=True)
class WorkerShare:
    """The part of each global batch that one worker takes: rows rank::workers, `batch` of them."""

    rank: int
    workers: int
    batch: int

    def __post_init__(self) -> None:
        assert 0 <= self.rank < self.workers and self.batch >= 1, self

    @property
    def global_batch(self) -> int:
        """Images per domain of one step of all workers, which is what a step advances the position by."""
        return self.batch * self.workers


@dataclass(frozen=True, eq=False)
class Rows:
    """What to read for some rows of global batches; axis 0 is the domain, A then B."""

    index: Int64
    """[2, rows]: number of the image within its domain."""
    top: UInt32
    """[2, rows]: vertical offset of the crop, as a share of the offsets that the image allows; see `offset`."""
    left: UInt32
    """[2, rows]: horizontal offset, likewise."""
    flip: Bool
    """[2, rows]: whether the crop is mirrored left to right."""


@dataclass(frozen=True)
class Plan:
    """The order of (|A|, |B|) = `sizes` images, with crops of `crop_size` x `crop_size` pixels from images of any size."""

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

    def worker_rows(self, position: int, share: WorkerShare, steps: int = 1) -> Rows:
        """A worker's rows of the `steps` global batches that begin at `position`, step after step: [2, steps * batch]."""
        positions = position + np.arange(share.rank, steps * share.global_batch, share.workers)
        cycle, offset = np.divmod(positions, np.array(self.sizes)[:, None])
        draws = hash64(self.seed, "crop", np.arange(3)[:, None, None], _DOMAINS, positions)
        return Rows(
            index=_permute(self.seed, self.sizes, cycle, offset),
            top=_upper(draws[0]),
            left=_upper(draws[1]),
            flip=(below(2, draws[2]) == 1) & self.flip,
        )


def offset(share: npt.ArrayLike, room: npt.ArrayLike) -> Int64:
    """First pixel of a crop: maps `share` in [0, 2**32) to the offsets 0 … room, uniformly (bias below room / 2**32)."""
    return np.asarray(share, np.int64) * (np.asarray(room, np.int64) + 1) >> np.int64(32)


def _upper(hashes: npt.NDArray[np.uint64]) -> UInt32:
    return (hashes >> np.uint64(32)).astype(np.uint32)


def _permute(seed: int, sizes: tuple[int, int], cycle: Int64, offset: Int64) -> Int64:
    """Element `offset` of permutation number `cycle` of range(sizes[domain]); all arrays [2, count], memory O(count).

    A Feistel network on a near-square grid just large enough for the domain, high * low, with addition modulo the sides in place of
    exclusive or, which makes it a bijection for any sides. A value outside the domain is mapped again until it falls inside (cycle
    walking, Black and Rogaway, 2002), which always happens, because its orbit started inside.
    """
    # An even side, since shifts along odd sides are even permutations only: half the orders of 7 images would be rare.
    high = np.array([[(math.isqrt(size - 1) + 2) // 2 * 2] for size in sizes])
    low = -(-np.array(sizes)[:, None] // high)
    keys = hash64(seed, "order", np.arange(ROUNDS)[:, None, None], _DOMAINS, cycle)
    value = _feistel(seed, keys, high, low, offset)
    size = np.array(sizes)[:, None]
    while (outside := value >= size).any():
        value = np.where(outside, _feistel(seed, keys, high, low, value), value)
    return value


def _feistel(seed: int, keys: npt.NDArray[np.uint64], high: Int64, low: Int64, value: Int64) -> Int64:
    left, right = np.divmod(value, low)
    for number, key in enumerate(keys):
        if number % 2 == 0:
            left = (left + below(high, hash64(seed, "round", key ^ right.astype(np.uint64)))) % high
        else:
            right = (right + below(low, hash64(seed, "round", key ^ left.astype(np.uint64)))) % low
    return left * low + right
