"""Which image, which crop, which flip, turn and colours: everything random about data, as a pure function of (seed, position).

*Position* counts images per domain since the start of training. Each domain is an endless chain of permutations of its own size, so
batches run across epoch ends. Nothing here depends on the number of workers or on what was read before.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from preprocess.feed.pairs import NO_PAIRS, Pairs
from preprocess.images.colour_jitter import NO_JITTER, ORDERS, Jitter, JitterStrengths
from ringcycle.hashing import below, hash64

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]
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
    flip_vertical: Bool
    """[2, rows]: whether it is mirrored top to bottom."""
    turns: Int64
    """[2, rows]: quarter turns that follow, 0 to 3, counter-clockwise."""
    jitter: Float64 | None
    """[2, rows, 5]: what is done to the colours, as in `colour_jitter.Jitter`; None: nothing."""
    paired: Bool
    """[2, rows]: whether the image's partner is in the same row of the other domain, cut alike."""


@dataclass(frozen=True)
class Plan:
    """The order of (|A|, |B|) = `sizes` images, with crops of `crop_size` (height, width) from images of any size.

    flip, flip_vertical: mirror half of the crops. rotate: turn them by 0 to 3 quarter turns. jitter: strengths of the colour jitter.
    pairs: known ones; wherever their image of A comes, that of B comes with it.
    """

    sizes: tuple[int, int]
    seed: int
    crop_size: tuple[int, int]
    flip: bool
    flip_vertical: bool = False
    rotate: bool = False
    jitter: JitterStrengths = NO_JITTER
    pairs: Pairs = NO_PAIRS

    def __post_init__(self) -> None:
        assert min(self.sizes) >= 1, self.sizes
        assert min(self.crop_size) >= 1, self.crop_size
        assert self.crop_size[0] == self.crop_size[1] or not self.rotate, self.crop_size

    @property
    def epoch_length(self) -> int:
        """Positions in an epoch: max(|A|, |B|), so that each image of the larger domain is seen once."""
        return max(self.sizes)

    def worker_rows(self, position: int, share: WorkerShare, steps: int = 1) -> Rows:
        """A worker's rows of the `steps` global batches that begin at `position`, step after step: [2, steps * batch]."""
        positions = position + np.arange(share.rank, steps * share.global_batch, share.workers)
        cycle, offset = np.divmod(positions, np.array(self.sizes)[:, None])
        draws = self._draws("crop", 3, positions)
        off = np.zeros(cycle.shape, np.int64)
        rows = Rows(
            index=_permute(self.seed, self.sizes, cycle, offset),
            top=_upper(draws[0]),
            left=_upper(draws[1]),
            flip=(below(2, draws[2]) == 1) & self.flip,
            flip_vertical=(below(2, self._draws("vertical flip", 1, positions)[0]) if self.flip_vertical else off) == 1,
            turns=below(4, self._draws("turns", 1, positions)[0]) if self.rotate else off,
            jitter=self._jitters(positions) if any(self.jitter) else None,
            paired=off == 1,
        )
        return _with_partners(rows, self.pairs) if len(self.pairs) else rows

    def _jitters(self, positions: Int64) -> Float64:
        draws = self._draws("colour jitter", 5, positions)
        centred = _upper(draws[:4]) / 2**31 - 1
        values = np.array([1.0, 1, 1, 0])[:, None, None] + np.array(self.jitter)[:, None, None] * centred
        return np.moveaxis(np.concatenate([values, below(len(ORDERS), draws[4:])]), 0, 2)

    def _draws(self, purpose: str, count: int, positions: Int64) -> npt.NDArray[np.uint64]:
        """Hashes [count, 2, rows]."""
        return hash64(self.seed, purpose, np.arange(count)[:, None, None], _DOMAINS, positions)


def offset(share: npt.ArrayLike, room: npt.ArrayLike) -> Int64:
    """First pixel of a crop: maps `share` in [0, 2**32) to the offsets 0 … room, uniformly (bias below room / 2**32)."""
    return np.asarray(share, np.int64) * (np.asarray(room, np.int64) + 1) >> np.int64(32)


def _with_partners(rows: Rows, pairs: Pairs) -> Rows:
    """The rows, in which each image of A that has a partner meets it. The partner takes its crop, and neither has other colours."""
    paired, partner = pairs.partners(rows.index[0])

    def alike(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.stack([values[0], np.where(paired, values[0], values[1])])

    return Rows(
        index=np.stack([rows.index[0], np.where(paired, partner, rows.index[1])]),
        top=alike(rows.top),
        left=alike(rows.left),
        flip=alike(rows.flip),
        flip_vertical=alike(rows.flip_vertical),
        turns=alike(rows.turns),
        jitter=None if rows.jitter is None else np.where(paired[:, None], Jitter(), rows.jitter),
        paired=np.stack([paired, paired]),
    )


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
