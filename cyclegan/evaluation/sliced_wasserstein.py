"""Sliced Wasserstein distance of two sets of images, level by level of their Laplacian pyramids (Karras et al. 2018, section 5).

Compares the distributions of small patches at each scale: structure of the size of a few pixels at the finest level, large shapes and
colours at the coarsest. Needs no trained network. Patches are normalised by the statistics of their own set, as in the reference, so a
change of nothing but the mean or contrast of a channel goes unseen. Even two samples of one distribution have a distance above 0, which
shrinks as they grow: compare values only between sets of the same sizes, and with the distance of two halves of one set.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cyclegan.evaluation.laplacian_pyramid import laplacian_pyramid
from preprocess.images.decoded_image import ImageArray, to_depth
from ringcycle.hashing import generator

Array = npt.NDArray[np.float32]

Patches = tuple[Array, ...]
"""Patches of one image by level of its pyramid, finest first: [patches, C, SIDE * SIDE] each, not yet normalised."""

SIDE = 7
MOST_PATCHES = 128  # of an image and level
DIRECTIONS = 512
_SLICE = 64  # directions at once

MOST_VALUES = 2**16 * 3 * SIDE**2
"""Values of a set's patches at one level, 37 MiB: 65,536 patches of 3 channels, the 128 patches of 512 images."""


@dataclass(frozen=True)
class SlicedWasserstein:
    """Distances times 1000, as is the convention, finest level first: `levels[k]` compares the images after k halvings."""

    levels: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean of the levels."""
        return float(np.mean(self.levels))


def patches_per_image(images: int, channels: int) -> int:
    """How many patches to take of each image of a set: 128, as in the paper, or as many as MOST_VALUES holds, but at least 1."""
    return max(1, min(MOST_PATCHES, MOST_VALUES // (channels * SIDE**2 * max(1, images))))


def patches_of(image: ImageArray, count: int, seed: int) -> Patches:
    """Take `count` random patches of 7x7 pixels from each level of the Laplacian pyramid of an image [H, W, C].

    The places depend on (seed, the image's pixels in 8 bits) only: neither the order of a set nor its other images matter.
    Raises ValueError if a side is shorter than 7 pixels.
    """
    height, width = image.shape[:2]
    if min(height, width) < SIDE:
        raise ValueError(f"an image of {width}x{height} pixels has no patch of {SIDE}x{SIDE}")
    content = hashlib.blake2b(to_depth(image, 8).tobytes(), digest_size=8).digest()
    rng = generator(seed, "patches", int.from_bytes(content, "little"))
    return tuple(_cut(level, count, rng) for level in laplacian_pyramid(image))


def sliced_wasserstein(one: Sequence[Patches], other: Sequence[Patches], seed: int) -> SlicedWasserstein:
    """The distance of two sets of images, given by the patches of each image (`patches_of`), at the levels that all images have.

    The sets may differ in size, and the images too: a level is a number of halvings. The mean over 512 random directions of the exact
    one-dimensional Wasserstein distance. Raises ValueError if a set is empty, or if numbers of channels differ.
    """
    if not one or not other:
        raise ValueError(f"sets of {len(one)} and {len(other)} images: a distance needs at least one of each")
    channels = sorted({patches[0].shape[1] for patches in (*one, *other)})
    if len(channels) > 1:
        raise ValueError(f"images of {' and '.join(map(str, channels))} channels: a distance needs equal numbers")
    common = min(len(patches) for patches in (*one, *other))
    return SlicedWasserstein(tuple(1e3 * _distance(_descriptors(one, k), _descriptors(other, k), seed, k) for k in range(common)))


def wasserstein(one: Array, other: Array) -> npt.NDArray[np.float64]:
    """The Wasserstein-1 distance of samples [K, n] and [K, m] of K pairs of distributions on the line, [K] float64; exact for any n, m.

    The area between the quantile functions, which are constant between multiples of 1 / n and of 1 / m.
    """
    n, m = one.shape[1], other.shape[1]
    ends = np.union1d(np.arange(n + 1) * m, np.arange(m + 1) * n)
    pieces = np.sort(one)[:, ends[:-1] // m] - np.sort(other)[:, ends[:-1] // n]
    distances: npt.NDArray[np.float64] = np.abs(pieces) @ (np.diff(ends) / (n * m))
    return distances


def _cut(level: Array, count: int, rng: np.random.Generator) -> Array:
    rows, columns = (rng.integers(side - SIDE + 1, size=count) for side in level.shape[:2])
    windows = np.lib.stride_tricks.sliding_window_view(level, (SIDE, SIDE), (0, 1))
    return windows[rows, columns].reshape(count, level.shape[2], SIDE**2)


def _descriptors(images: Sequence[Patches], level: int) -> Array:
    """All patches of a set at one level, [N, C * 49], each channel with mean 0 and standard deviation 1 over the set."""
    patches = np.concatenate([image[level] for image in images])
    mean = patches.mean((0, 2), np.float64, keepdims=True)
    deviation = patches.std((0, 2), np.float64, keepdims=True)
    patches -= mean.astype(np.float32)
    patches /= np.where(deviation > 0, deviation, 1).astype(np.float32)  # flat images stay 0
    return patches.reshape(len(patches), -1)


def _distance(one: Array, other: Array, seed: int, level: int) -> float:
    rng = generator(seed, "directions", level)
    distances = []
    for _ in range(DIRECTIONS // _SLICE):
        directions = rng.standard_normal((_SLICE, one.shape[1]))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        distances.append(wasserstein(*(directions.astype(np.float32) @ patches.T for patches in (one, other))))
    return float(np.mean(distances))
