"""Samples as an image file stores them, and their conversion to other channels and depths."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

ImageArray = npt.NDArray[Any]
"""uint8 or uint16 [H, W, C]."""

MOST_CHANNELS = 64

# ITU-R 601-2 luma in 16-bit fixed point, as Pillow's convert("L").
LUMA = (19595, 38470, 7471)


class BrokenImage(Exception):
    """A file without a usable image; the message is the reason, a short phrase."""


class TooManyPixels(BrokenImage):
    """An image that declares more pixels than allowed."""


class DecodedImage(NamedTuple):
    """Samples as stored. colours: 1 (grey), 3 (RGB) or the number of bands; alpha: whether the next sample is opacity."""

    pixels: ImageArray
    colours: int
    alpha: bool = False


def to_channels(decoded: DecodedImage, channels: int) -> ImageArray:
    """Convert to pixels [H, W, channels] of the same dtype.

    1 and 3: grey or RGB, composited over white; 4: RGB and alpha (opaque if there is none); any number: the bands of an image with
    exactly that many. Raises BrokenImage for any other combination.
    """
    pixels, colours, alpha = decoded
    if pixels.shape[2] == channels and not alpha:
        return pixels
    if colours not in (1, 3) or channels not in (1, 3, 4):
        raise BrokenImage(f"{colours} channels, not {channels}")
    base = pixels[..., :colours]
    if channels == 4:
        opacity = pixels[..., colours : colours + 1] if alpha else np.full_like(pixels[..., :1], _white(pixels))
        return np.concatenate([_coloured(base, 3), opacity], 2)
    if alpha:
        base = _over_white(base, pixels[..., colours : colours + 1])
    return _coloured(base, channels)


def to_depth(pixels: ImageArray, bits: int) -> ImageArray:
    """uint8 pixels to uint16, multiplied by 257, or uint16 to uint8, divided by 257 and rounded; unchanged at equal depth."""
    if bits == 8 * pixels.dtype.itemsize:
        return pixels
    if bits == 16:
        return pixels.astype(np.uint16) * np.uint16(257)
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def to_rgb8(pixels: ImageArray) -> npt.NDArray[np.uint8]:
    """Pixels [H, W, C] as uint8 RGB for display: the first three of many bands, the first of two."""
    few = pixels[..., :1] if pixels.shape[2] < 3 else pixels[..., :3]
    return to_depth(_coloured(few, 3), 8)


def _coloured(pixels: ImageArray, channels: int) -> ImageArray:
    if pixels.shape[2] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, 2)
    luma = sum(np.uint32(weight) * pixels[..., i] for i, weight in enumerate(LUMA))
    return ((luma + np.uint32(1 << 15)) >> np.uint32(16)).astype(pixels.dtype)[..., None]


def _over_white(pixels: ImageArray, opacity: ImageArray) -> ImageArray:
    """Composite pixels over white. uint32 is just large enough for the product of two 16-bit numbers plus rounding."""
    white = np.uint32(_white(pixels))
    share = opacity.astype(np.uint32)
    return ((pixels * share + white * (white - share) + white // 2) // white).astype(pixels.dtype)


def _white(pixels: ImageArray) -> int:
    return int(np.iinfo(pixels.dtype).max)
