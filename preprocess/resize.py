"""Resizing, the same for training, translation and evaluation.

Bicubic as Pillow does it, since the reference implementation resizes PIL pictures with it (torchvision `Resize`, BICUBIC): the kernel
widens when pictures shrink, so there is no aliasing. Lanczos is a little sharper, but rings at edges and would make other training data.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image

UInt8 = npt.NDArray[np.uint8]


def resize(pixels: UInt8, height: int, width: int) -> UInt8:
    """Resize uint8 RGB [H, W, 3] to [height, width, 3], each at least 1; equal size gives the pixels unchanged."""
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.array(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))


def square(pixels: UInt8, size: int) -> UInt8:
    """Resize to [size, size, 3] whatever the shape was, as the reference does before it crops (`resize_and_crop`)."""
    return resize(pixels, size, size)
