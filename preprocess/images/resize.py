"""Resizing, the same for training, translation and evaluation.

Bicubic as Pillow does it, since the reference implementation resizes PIL pictures with it (torchvision `Resize`, BICUBIC): the kernel
widens when pictures shrink, so there is no aliasing. Lanczos is a little sharper, but rings at edges and would make other training data.
"""

from typing import Literal

import numpy as np
from PIL import Image

from preprocess.images.decoded_image import BrokenPicture, Picture

Mode = Literal["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"]
"""The reference's `--preprocess`."""

USES_CROP: tuple[Mode, ...] = ("crop", "scale_width", "scale_width_and_crop")
"""Modes in which the crop's size has a part in what is stored."""


def prepare(picture: Picture | Image.Image, mode: Mode, load_size: int, crop_size: int | None) -> Picture:
    """What a shard keeps of a picture [H, W, C], or of an RGB image of Pillow's; crops are cut later, by the feed.

    resize_and_crop: load_size x load_size, whatever the shape was. scale_width, scale_width_and_crop: load_size wide, the height in
    proportion, but at least crop_size. crop, none: as it is. Raises BrokenPicture if `crop` finds less than a crop.
    """
    height, width = sides(picture)
    if mode == "resize_and_crop":
        return square(picture, load_size)
    if mode == "none":
        return np.asarray(picture)
    assert crop_size is not None, mode
    if mode == "crop":
        if min(height, width) < crop_size:
            raise BrokenPicture(f"{width}x{height} pixels, less than data.crop_size = {crop_size}")
        return np.asarray(picture)
    return resize(picture, int(max(load_size * height / width, crop_size)), load_size)


def resize(picture: Picture | Image.Image, height: int, width: int) -> Picture:
    """Resize uint8 or uint16 [H, W, C], or an RGB image of Pillow's, to [height, width, C]; an equal size changes nothing."""
    if sides(picture) == (height, width):
        return np.asarray(picture)
    if isinstance(picture, Image.Image):
        return np.array(_bicubic(picture, height, width))
    pixels = picture
    if pixels.dtype == np.uint8 and pixels.shape[2] == 3:
        return np.array(_bicubic(Image.fromarray(pixels), height, width))
    # Band by band: Pillow would take four bands for colour and alpha, and has 16 bits as floats only.
    return np.stack([_band(np.ascontiguousarray(pixels[..., i]), height, width) for i in range(pixels.shape[2])], 2)


def sides(picture: Picture | Image.Image) -> tuple[int, int]:
    """Height and width."""
    return (picture.height, picture.width) if isinstance(picture, Image.Image) else (picture.shape[0], picture.shape[1])


def square(picture: Picture | Image.Image, size: int) -> Picture:
    """Resize to [size, size, C] whatever the shape was, as the reference does before it crops (`resize_and_crop`)."""
    return resize(picture, size, size)


def _band(band: Picture, height: int, width: int) -> Picture:
    if band.dtype == np.uint8:
        return np.array(_bicubic(Image.fromarray(band), height, width))
    exact = np.asarray(_bicubic(Image.fromarray(band.astype(np.float32)), height, width))
    rounded: Picture = np.clip(np.rint(exact), 0, np.iinfo(band.dtype).max).astype(band.dtype)
    return rounded


def _bicubic(image: Image.Image, height: int, width: int) -> Image.Image:
    return image.resize((width, height), Image.Resampling.BICUBIC)
