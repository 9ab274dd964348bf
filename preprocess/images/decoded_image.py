"""What a image file holds before anything is lost, and its way to the channels and the depth that are asked for."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

ImageArray = npt.NDArray[Any]
"""uint8 or uint16 [H, W, C]."""

MOST_CHANNELS = 64

# ITU-R 601-2 luma in 16-bit fixed point, as Pillow's convert("L").
_LUMA = (19595, 38470, 7471)


class BrokenImage(Exception):
    """A file that holds no usable image; the text is the reason, one short phrase."""


class DecodedImage(NamedTuple):
    """Samples as stored. colours: 1 (grey), 3 (RGB) or as many bands as there are; alpha: the sample after them is opacity."""

    pixels: ImageArray
    colours: int
    alpha: bool = False


def to_channels(raster: DecodedImage, channels: int) -> ImageArray:
    """Pixels [H, W, channels] of the raster's dtype.

    1 and 3: grey or RGB, alpha laid over white; 4: RGB and alpha (opaque if there is none); any number: the bands of a image that
    has just as many. Raises BrokenImage for what is none of these.
    """
    pixels, colours, alpha = raster
    if pixels.shape[2] == channels and not alpha:
        return pixels
    if colours not in (1, 3) or channels not in (1, 3, 4):
        raise BrokenImage(f"{colours} channels, not {channels}")
    shown = pixels[..., :colours]
    if channels == 4:
        opacity = pixels[..., colours : colours + 1] if alpha else np.full_like(pixels[..., :1], _white(pixels))
        return np.concatenate([_coloured(shown, 3), opacity], 2)
    if alpha:
        shown = _over_white(shown, pixels[..., colours : colours + 1])
    return _coloured(shown, channels)


def to_depth(pixels: ImageArray, bits: int) -> ImageArray:
    """uint8 pixels to uint16 by times 257, or uint16 to uint8 by division, rounded; or as they are."""
    if bits == 8 * pixels.dtype.itemsize:
        return pixels
    if bits == 16:
        return pixels.astype(np.uint16) * np.uint16(257)
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def to_shown(pixels: ImageArray) -> npt.NDArray[np.uint8]:
    """Pixels [H, W, C] as uint8 RGB, to be looked at: of more bands the first three, of two the first."""
    few = pixels[..., :1] if pixels.shape[2] < 3 else pixels[..., :3]
    return to_depth(_coloured(few, 3), 8)


def _coloured(pixels: ImageArray, channels: int) -> ImageArray:
    if pixels.shape[2] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, 2)
    luma = sum(np.uint32(weight) * pixels[..., i] for i, weight in enumerate(_LUMA))
    return ((luma + np.uint32(1 << 15)) >> np.uint32(16)).astype(pixels.dtype)[..., None]


def _over_white(pixels: ImageArray, opacity: ImageArray) -> ImageArray:
    """Lay pixels over white. uint32 just holds the product of two 16-bit numbers and its rounding."""
    white = np.uint32(_white(pixels))
    share = opacity.astype(np.uint32)
    return ((pixels * share + white * (white - share) + white // 2) // white).astype(pixels.dtype)


def _white(pixels: ImageArray) -> int:
    return int(np.iinfo(pixels.dtype).max)
