"""A translation as a JPEG file would hold it.

A generator can hide in its output what it needs to restore its input, as a pattern too faint to see (Chu et al. 2017, arXiv 1712.02950),
which makes the cycle error small for a wrong reason. The round trip loses differences of colour from pixel to pixel, and covers a pattern
of one level in brightness with errors of two to three levels, in the mean over photographs. A cycle error that grows far beyond them
means that the generators hide information; one that does not grow means that they do not depend on the faintest.
"""

import io

import numpy as np
from PIL import Image

from preprocess.images.decoded_image import ImageArray, to_depth

QUALITY = 95
SUBSAMPLING = "4:2:0"
"""Half the resolution for colour differences: the default of Pillow and libjpeg, which most training images went through too."""


def jpeg_round_trip(image: ImageArray) -> ImageArray:
    """Encode an image [H, W, C] as 8-bit JPEG in memory and decode it: same shape and dtype.

    Quality 95, 4:2:0, Pillow's encoder. 16 bits are reduced to 8 and multiplied back. 3 channels are one colour image; with any other
    number, each channel is a grey image of its own.
    """
    pixels = to_depth(image, 8)
    parts = [pixels] if pixels.shape[2] == 3 else [pixels[..., i] for i in range(pixels.shape[2])]
    result = np.dstack([_round_trip(part) for part in parts])
    return to_depth(result, 8 * image.dtype.itemsize)


def _round_trip(pixels: ImageArray) -> ImageArray:
    """Pixels uint8 [H, W, 3] or [H, W]."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "JPEG", quality=QUALITY, subsampling=SUBSAMPLING)
    with Image.open(file) as image:
        return np.array(image)
