"""The Laplacian pyramid of an image (Burt and Adelson 1983): what each halving of the resolution loses, and what remains at the end."""

import numpy as np
import numpy.typing as npt

from preprocess.images.decoded_image import ImageArray

Array = npt.NDArray[np.float32]

LEAST_SIDE = 16
"""The shorter side of the coarsest level, unless the image itself is smaller."""


def laplacian_pyramid(image: ImageArray) -> list[Array]:
    """Levels of an image [H, W, C], float32 in its own units, finest first: [H, W, C], [ceil(H / 2), ceil(W / 2), C], ...

    Each level but the last is an image minus the enlarged half of it, the last one is the image after all halvings. A level whose
    shorter side would be below LEAST_SIDE is not made, so a smaller image is its only level. Filter and border are those of the
    reference for the sliced Wasserstein distance (and of OpenCV's pyrDown and pyrUp): binomial (1, 4, 6, 4, 1), mirrored.
    """
    levels = [image.astype(np.float32)]
    while min(halved(side) for side in levels[-1].shape[:2]) >= LEAST_SIDE:
        fine = levels[-1]
        coarse = _shrink(_shrink(fine, 0), 1)
        levels[-1] = fine - _enlarge(_enlarge(coarse, 0, fine.shape[0]), 1, fine.shape[1])
        levels.append(coarse)
    return levels


def halved(side: int) -> int:
    """The side of the next level."""
    return (side + 1) // 2


def _shrink(image: Array, axis: int) -> Array:
    """Filter one axis and keep every other sample, from the first one on."""
    x = np.pad(np.moveaxis(image, axis, 0), [(2, 2), (0, 0), (0, 0)], "reflect")
    size = image.shape[axis]
    taps = [x[i : i + size : 2] for i in range(5)]
    small: Array = (taps[0] + taps[4] + 4 * (taps[1] + taps[3]) + 6 * taps[2]) / np.float32(16)
    return np.moveaxis(small, 0, axis)


def _enlarge(image: Array, axis: int, size: int) -> Array:
    """Place zeros between the samples of one axis, `size` in all, and apply twice the filter, without the products with zero."""
    x = np.moveaxis(image, axis, 0)
    # Mirroring the axis of `size` samples repeats the last of these if a zero follows it, and skips it if not.
    after = x[-1:] if size % 2 == 0 else x[-2:-1]
    x = np.concatenate([x[1:2], x, after])
    large = np.empty((size, *x.shape[1:]), np.float32)
    large[0::2] = (x[:-2] + 6 * x[1:-1] + x[2:]) / np.float32(8)
    large[1::2] = ((x[1:-1] + x[2:]) / np.float32(2))[: size // 2]
    return np.moveaxis(large, 0, axis)
