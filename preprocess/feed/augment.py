"""Crops, flips and batches: applies the plan's decisions to pixels."""

from collections.abc import Callable

import numpy as np

from preprocess.feed.plan import Rows, offset
from preprocess.images.decoded_image import ImageArray

ReadImage = Callable[[int], ImageArray]


def crop(image: ImageArray, top: int, left: int, size: int, flip: bool) -> ImageArray:
    """The square of `size` x `size` pixels at (top, left) of an image [H, W, C], mirrored left to right if `flip`; a view."""
    height, width, _ = image.shape
    assert 0 <= top <= height - size and 0 <= left <= width - size, (image.shape, top, left, size)
    square = image[top : top + size, left : left + size]
    return square[:, ::-1] if flip else square


def batches(read: tuple[ReadImage, ReadImage], rows: Rows, steps: int, size: int) -> ImageArray:
    """Assemble the batches of some steps: [steps, 2, B, size, size, C], contiguous, in the images' dtype.

    C is that of the domain with more channels; the surplus channels of the other domain are 0, and the model ignores them.

    read: gives image i [H, W, C] of domain A, and of domain B; rows: B rows for each step, step after step.
    Raises what `read` raises.
    """
    batch = rows.index.shape[1] // steps
    first = [read[domain](int(rows.index[domain, 0])) for domain in range(2)]
    channels = [image.shape[2] for image in first]
    make = np.empty if channels[0] == channels[1] else np.zeros
    out: ImageArray = make((steps, 2, batch, size, size, max(channels)), first[0].dtype)
    for (domain, row), index in np.ndenumerate(rows.index):
        image = read[domain](int(index))
        shares = (rows.top[domain, row], rows.left[domain, row])
        top, left = (int(offset(share, side - size)) for share, side in zip(shares, image.shape, strict=False))
        square = crop(image, top, left, size, bool(rows.flip[domain, row]))
        _copy(square, out[row // batch, domain, row % batch, ..., : channels[domain]])
    return out


def _copy(square: ImageArray, target: ImageArray) -> None:
    if square.strides[1] > 0:
        target[...] = square
    else:  # NumPy copies mirrored pixels of three bytes one by one, but mirrored planes in long loops: 277 against 58 us at 256 x 256.
        for channel in range(square.shape[2]):
            target[..., channel] = square[..., channel]
