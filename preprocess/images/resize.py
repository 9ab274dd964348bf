"""Resizing, the same for training, translation and evaluation.

Bicubic as Pillow does it, since the reference implementation resizes PIL images with it (torchvision `Resize`, BICUBIC): the kernel
widens when images shrink, so there is no aliasing. Lanczos is a little sharper, but rings at edges and would make other training data.
"""

from typing import Literal

import numpy as np
from PIL import Image

from preprocess.images.decoded_image import BrokenImage, ImageArray

Mode = Literal["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"]
"""The reference's `--preprocess`."""

USES_CROP: tuple[Mode, ...] = ("crop", "scale_width", "scale_width_and_crop")
"""Modes in which the crop's size has a part in what is stored."""


def prepare(image: ImageArray | Image.Image, mode: Mode, load_size: int, crop_size: int | None) -> ImageArray:
    """What a shard keeps of a image [H, W, C], or of an RGB image of Pillow's; crops are cut later, by the feed.

    resize_and_crop: load_size x load_size, whatever the shape was. scale_width, scale_width_and_crop: load_size wide, the height in
    proportion, but at least crop_size. crop, none: as it is. Raises BrokenImage if `crop` finds less than a crop.
    """
    height, width = sides(image)
    if mode == "resize_and_crop":
        return square(image, load_size)
    if mode == "none":
        return np.asarray(image)
    assert crop_size is not None, mode
    if mode == "crop":
        if min(height, width) < crop_size:
            raise BrokenImage(f"{width}x{height} pixels, less than data.crop_size = {crop_size}")
        return np.asarray(image)
    return resize(image, int(max(load_size * height / width, crop_size)), load_size)


def resize(image: ImageArray | Image.Image, height: int, width: int) -> ImageArray:
    """Resize uint8 or uint16 [H, W, C], or an RGB image of Pillow's, to [height, width, C]; an equal size changes nothing."""
    if sides(image) == (height, width):
        return np.asarray(image)
    if isinstance(image, Image.Image):
        return np.array(_bicubic(image, height, width))
    pixels = image
    if pixels.dtype == np.uint8 and pixels.shape[2] == 3:
        return np.array(_bicubic(Image.fromarray(pixels), height, width))
    # Band by band: Pillow would take four bands for colour and alpha, and has 16 bits as floats only.
    return np.stack([_band(np.ascontiguousarray(pixels[..., i]), height, width) for i in range(pixels.shape[2])], 2)


def sides(image: ImageArray | Image.Image) -> tuple[int, int]:
    """Height and width."""
    return (image.height, image.width) if isinstance(image, Image.Image) else (image.shape[0], image.shape[1])


def square(image: ImageArray | Image.Image, size: int) -> ImageArray:
    """Resize to [size, size, C] whatever the shape was, as the reference does before it crops (`resize_and_crop`)."""
    return resize(image, size, size)


def _band(band: ImageArray, height: int, width: int) -> ImageArray:
    if band.dtype == np.uint8:
        return np.array(_bicubic(Image.fromarray(band), height, width))
    exact = np.asarray(_bicubic(Image.fromarray(band.astype(np.float32)), height, width))
    rounded: ImageArray = np.clip(np.rint(exact), 0, np.iinfo(band.dtype).max).astype(band.dtype)
    return rounded


def _bicubic(image: Image.Image, height: int, width: int) -> Image.Image:
    return image.resize((width, height), Image.Resampling.BICUBIC)
