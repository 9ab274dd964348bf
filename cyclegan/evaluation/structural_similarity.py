"""Structural similarity (SSIM) of two images (Wang et al. 2004, section III)."""

import numpy as np
import numpy.typing as npt

from cyclegan.evaluation.pixel_errors import as_shares
from preprocess.images.decoded_image import ImageArray

Array = npt.NDArray[np.float64]

_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2  # for a range of 1


def structural_similarity(one: ImageArray, other: ImageArray) -> float:
    """Mean SSIM of two images [H, W, C], over channels and all places where the window lies inside; 1 for equal images.

    Gaussian window of 11x11, sigma 1.5, K1 = 0.01, K2 = 0.03, without the authors' optional reduction of large images. In a smaller
    image the window is cut to the largest odd side that fits. Raises ValueError if shapes or dtypes differ.
    """
    x, y = as_shares(one, other)
    fits = min(_WINDOW, *(side - (side + 1) % 2 for side in x.shape[:2]))
    weights = np.exp(-0.5 * ((np.arange(fits) - fits // 2) / _SIGMA) ** 2)
    weights /= weights.sum()
    mean_x, mean_y, squares, products = (_filtered(moment, weights) for moment in (x, y, x * x + y * y, x * y))
    both, squared_means = mean_x * mean_y, mean_x**2 + mean_y**2
    luminance = (2 * both + _C1) / (squared_means + _C1)
    structure = (2 * (products - both) + _C2) / (squares - squared_means + _C2)
    return float((luminance * structure).mean())


def _filtered(image: Array, weights: Array) -> Array:
    """Weighted means over windows [k, k] that lie inside an image [H, W, C]."""
    for axis in (0, 1):
        kept = image.shape[axis] - len(weights) + 1
        x = np.moveaxis(image, axis, 0)
        image = np.moveaxis(sum(weight * x[i : i + kept] for i, weight in enumerate(weights)), 0, axis)
    return image
