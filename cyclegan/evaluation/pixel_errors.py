"""Errors of an image, pixel by pixel, against the one it should be: L1 and PSNR."""

import numpy as np
import numpy.typing as npt

from preprocess.images.decoded_image import ImageArray


def mean_absolute_error(one: ImageArray, other: ImageArray) -> float:
    """L1: the mean absolute difference of two images [H, W, C], as a share of the range. Raises ValueError as `as_shares`."""
    x, y = as_shares(one, other)
    return float(np.abs(x - y).mean())


def peak_signal_to_noise_ratio(one: ImageArray, other: ImageArray) -> float:
    """PSNR of two images [H, W, C] in decibels, the range as peak; infinite for equal images. Raises ValueError as `as_shares`."""
    x, y = as_shares(one, other)
    error = float(np.square(x - y).mean())
    return -10 * float(np.log10(error)) if error else float("inf")


def as_shares(one: ImageArray, other: ImageArray) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Two uint8 or uint16 images as shares of their range, float64 in [0, 1]. Raises ValueError if shapes or dtypes differ."""
    if one.shape != other.shape or one.dtype != other.dtype:
        raise ValueError(f"images of {list(one.shape)} {one.dtype} and {list(other.shape)} {other.dtype} cannot be compared")
    most = float(np.iinfo(one.dtype).max)
    return one / most, other / most
