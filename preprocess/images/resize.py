"""Resizes images, in the same way for training, translation and evaluation.

Pillow's bicubic filter, which the reference implementation uses too (torchvision `Resize`, BICUBIC, of PIL images): the kernel widens
when images shrink, so there is no aliasing. Lanczos is a little sharper, but rings at edges and would change the training data.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from preprocess.images.decoded_image import BrokenImage, ImageArray
from preprocess.images.size import Size, shown, sides_of

Mode = Literal["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"]
"""The reference's `--preprocess`."""

USES_CROP: tuple[Mode, ...] = ("crop", "scale_width", "scale_width_and_crop")
"""Modes in which the crop size affects what is stored."""

SCALES_WIDTH: tuple[Mode, ...] = ("scale_width", "scale_width_and_crop")
"""Modes in which the load size is a width, and the height follows in proportion."""


def prepare(image: ImageArray | Image.Image, mode: Mode, load_size: Size, crop_size: Size | None) -> ImageArray:
    """Resize an image [H, W, C], or a Pillow RGB image, to what a shard stores; the feed crops later.

    resize_and_crop: load_size, ignoring the aspect ratio. scale_width, scale_width_and_crop: as wide as load_size, the height in
    proportion, but at least that of crop_size. crop, none: unchanged. Raises BrokenImage if the image is smaller than a crop in mode
    `crop`.
    """
    height, width = sides(image)
    if mode == "crop":
        assert crop_size is not None, mode
        least = sides_of(crop_size)
        if height < least[0] or width < least[1]:
            order = "" if isinstance(crop_size, int) else " (height, width)"
            raise BrokenImage(f"{width}x{height} pixels, less than data.crop_size = {shown(crop_size)}{order}")
    return resize(image, *prepared_size(height, width, mode, load_size, crop_size))


def prepared_size(height: int, width: int, mode: Mode, load_size: Size, crop_size: Size | None) -> tuple[int, int]:
    """Height and width that `prepare` gives an image of height x width."""
    if mode == "resize_and_crop":
        return sides_of(load_size)
    if mode in ("none", "crop"):
        return height, width
    assert crop_size is not None, mode
    wide = sides_of(load_size)[1]
    return int(max(wide * height / width, sides_of(crop_size)[0])), wide


def resize(image: ImageArray | Image.Image, height: int, width: int) -> ImageArray:
    """Resize uint8 or uint16 [H, W, C], or a Pillow RGB image, to [height, width, C]; an equal size changes nothing."""
    if sides(image) == (height, width):
        return np.asarray(image)
    if isinstance(image, Image.Image):
        return np.array(_bicubic(image, height, width))
    pixels = image
    if pixels.dtype == np.uint8 and pixels.shape[2] == 3:
        return np.array(_bicubic(Image.fromarray(pixels), height, width))
    # Band by band: Pillow would treat four bands as colour and alpha, and resizes 16 bits only as floats.
    return np.stack([_band(np.ascontiguousarray(pixels[..., i]), height, width) for i in range(pixels.shape[2])], 2)


def resize_unrounded(image: ImageArray, height: int, width: int) -> npt.NDArray[np.float32]:
    """Resize uint8 or uint16 [H, W, C] to float32 [height, width, C] on the same scale, neither rounded nor clipped: edges overshoot."""
    return np.stack([_float_band(image[..., i], height, width) for i in range(image.shape[2])], 2)


def sides(image: ImageArray | Image.Image) -> tuple[int, int]:
    """Height and width."""
    return (image.height, image.width) if isinstance(image, Image.Image) else (image.shape[0], image.shape[1])


def square(image: ImageArray | Image.Image, size: int) -> ImageArray:
    """Resize to [size, size, C], ignoring the aspect ratio, as the reference does before it crops (`resize_and_crop`)."""
    return resize(image, size, size)


def _band(band: ImageArray, height: int, width: int) -> ImageArray:
    if band.dtype == np.uint8:
        return np.array(_bicubic(Image.fromarray(band), height, width))
    rounded: ImageArray = np.clip(np.rint(_float_band(band, height, width)), 0, np.iinfo(band.dtype).max).astype(band.dtype)
    return rounded


def _float_band(band: ImageArray, height: int, width: int) -> npt.NDArray[np.float32]:
    return np.asarray(_bicubic(Image.fromarray(band.astype(np.float32)), height, width))  # Pillow's mode F


def _bicubic(image: Image.Image, height: int, width: int) -> Image.Image:
    return image.resize((width, height), Image.Resampling.BICUBIC)
