"""Resizing, the same for training, translation and evaluation.

Bicubic as Pillow does it, since the reference implementation resizes PIL pictures with it (torchvision `Resize`, BICUBIC): the kernel
widens when pictures shrink, so there is no aliasing. Lanczos is a little sharper, but rings at edges and would make other training data.
"""

from typing import Literal

import numpy as np
from PIL import Image

from preprocess.raster import BrokenPicture, Picture

Mode = Literal["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"]
"""The reference's `--preprocess`."""

USES_CROP: tuple[Mode, ...] = ("crop", "scale_width", "scale_width_and_crop")
"""Modes in which the crop's size has a part in what is stored."""


def prepare(pixels: Picture, mode: Mode, load_size: int, crop_size: int | None) -> Picture:
    """What a shard keeps of a picture [H, W, C]; crops are cut later, by the feed.

    resize_and_crop: load_size x load_size, whatever the shape was. scale_width, scale_width_and_crop: load_size wide, the height in
    proportion, but at least crop_size. crop, none: as it is. Raises BrokenPicture if `crop` finds less than a crop.
    """
    height, width = pixels.shape[:2]
    if mode == "resize_and_crop":
        return square(pixels, load_size)
    if mode == "none":
        return pixels
    assert crop_size is not None, mode
    if mode == "crop":
        if min(height, width) < crop_size:
            raise BrokenPicture(f"{width}x{height} pixels, less than data.crop_size = {crop_size}")
        return pixels
    return resize(pixels, int(max(load_size * height / width, crop_size)), load_size)


def resize(pixels: Picture, height: int, width: int) -> Picture:
    """Resize uint8 or uint16 [H, W, C] to [height, width, C], each at least 1; equal size gives the pixels unchanged."""
    if pixels.shape[:2] == (height, width):
        return pixels
    if pixels.dtype == np.uint8 and pixels.shape[2] == 3:
        return np.array(_bicubic(Image.fromarray(pixels), height, width))
    # Band by band: Pillow would take four bands for colour and alpha, and has 16 bits as floats only.
    return np.stack([_band(np.ascontiguousarray(pixels[..., i]), height, width) for i in range(pixels.shape[2])], 2)


def square(pixels: Picture, size: int) -> Picture:
    """Resize to [size, size, C] whatever the shape was, as the reference does before it crops (`resize_and_crop`)."""
    return resize(pixels, size, size)


def _band(band: Picture, height: int, width: int) -> Picture:
    if band.dtype == np.uint8:
        return np.array(_bicubic(Image.fromarray(band), height, width))
    exact = np.asarray(_bicubic(Image.fromarray(band.astype(np.float32)), height, width))
    rounded: Picture = np.clip(np.rint(exact), 0, np.iinfo(band.dtype).max).astype(band.dtype)
    return rounded


def _bicubic(image: Image.Image, height: int, width: int) -> Image.Image:
    return image.resize((width, height), Image.Resampling.BICUBIC)
