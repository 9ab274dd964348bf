"""Colour jitter of integer pixels: brightness, contrast, saturation and hue as torchvision's ColorJitter defines them.

Each operation ends within the range of the pixels. All are computed in float32 and rounded once, at the end; torchvision cuts off
fractions after each. Only sums of whole numbers are taken, so the result is the same on every processor.
"""

from itertools import permutations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from preprocess.images.decoded_image import LUMA, ImageArray

ORDERS = tuple(permutations(range(4)))
"""Orders of the four operations, by their numbers."""

COLOURED = (3, 4)
"""Numbers of channels that have a saturation and a hue: RGB, RGB and alpha."""

Planes = npt.NDArray[np.float32]


class JitterStrengths(NamedTuple):
    """How far each may move. Factors are drawn from 1 - x to 1 + x, the shift of the hue from -x to x of the colour circle."""

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0


NO_JITTER = JitterStrengths()


class Jitter(NamedTuple):
    """What is done to one image: three factors, a shift as a share of the colour circle, and the order, an index of ORDERS."""

    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    hue: float = 0.0
    order: int = 0


def jittered(pixels: ImageArray, jitter: Jitter) -> ImageArray:
    """The pixels [H, W, C], uint8 or uint16, with other colours; a fourth channel is opacity and stays.

    Channels that are neither colour nor colour and opacity have no saturation and no hue, and share one mean level.
    """
    white = np.float32(np.iinfo(pixels.dtype).max)
    channels = pixels.shape[2]
    coloured = channels in COLOURED
    assert coloured or (jitter.saturation, jitter.hue) == (1, 0), (pixels.shape, jitter)
    seen = pixels[..., :3] if coloured else pixels
    planes = np.ascontiguousarray(seen.transpose(2, 0, 1), np.float32)
    for operation in ORDERS[jitter.order]:
        if operation == 0 and jitter.brightness != 1:
            planes = planes * np.float32(jitter.brightness)
        elif operation == 1 and jitter.contrast != 1:
            levels = np.rint(_luma(planes) if coloured else planes)
            planes = _blend(planes, np.float32(levels.mean(dtype=np.float64)), jitter.contrast)
        elif operation == 2 and jitter.saturation != 1:
            planes = _blend(planes, _luma(planes), jitter.saturation)
        elif operation == 3 and jitter.hue != 0:
            planes = _shift_hue(planes, jitter.hue)
        else:
            continue
        np.clip(planes, 0, white, out=planes)
    result = np.empty((channels, *pixels.shape[:2]), pixels.dtype)
    result[: len(planes)] = np.rint(planes, out=planes)
    result[len(planes) :] = pixels[..., len(planes) :].transpose(2, 0, 1)
    return result.transpose(1, 2, 0)


def _blend(planes: Planes, other: Planes | np.float32, factor: float) -> Planes:
    """`other` for factor 0, the planes for 1, beyond them for more."""
    return planes * np.float32(factor) + other * np.float32(1 - factor)


def _luma(planes: Planes) -> Planes:
    """Grey levels [H, W], not rounded."""
    red, green, blue = (np.float32(weight / 2**16) for weight in LUMA)
    luma: Planes = red * planes[0] + green * planes[1] + blue * planes[2]
    return luma


def _shift_hue(planes: Planes, shift: float) -> Planes:
    """Turn the colour circle by `shift` of it; hue in HSV, in sixths of the circle."""
    red, green, blue = planes
    most, least = planes.max(0), planes.min(0)
    chroma = most - least
    divisor = np.where(chroma > 0, chroma, np.float32(1))
    hue = np.where(most == green, (blue - red) / divisor + np.float32(2), (red - green) / divisor + np.float32(4))
    hue = np.where(most == red, (green - blue) / divisor, hue) + np.float32(6 * shift)
    hue -= 6 * np.floor(hue / 6)
    shares = np.abs(hue - 3) - 1, 2 - np.abs(hue - 2), 2 - np.abs(hue - 4)
    return np.stack([least + chroma * np.clip(share, 0, 1) for share in shares])
