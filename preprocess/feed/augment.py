"""Crops, flips and their assembly into batches: the plan's decisions carried out on pixels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from preprocess.feed.plan import Rows, offset

ImageArray = npt.NDArray[Any]


def crop(image: ImageArray, top: int, left: int, size: int, flip: bool) -> ImageArray:
    """The square of `size` pixels a side at (top, left) of a image [H, W, C], mirrored left to right if `flip`; a view."""
    height, width, _ = image.shape
    assert 0 <= top <= height - size and 0 <= left <= width - size, (image.shape, top, left, size)
    square = image[top : top + size, left : left + size]
    return square[:, ::-1] if flip else square


def batches(read: tuple[Callable[[int], ImageArray], Callable[[int], ImageArray]], rows: Rows, steps: int, size: int) -> ImageArray:
    """Assemble the batches of some steps: [steps, 2, B, size, size, C], contiguous, of the images' dtype.

    C is that of the domain with more channels; the surplus ones of the other are 0, for the model to leave out.

    read: gives image i [H, W, C] of domain A, of domain B; rows: the steps' rows, B of them each, step after step.
    Raises what `read` raises.
    """
    batch = rows.index.shape[1] // steps
    first = [read[domain](int(rows.index[domain, 0])) for domain in range(2)]
    channels = [image.shape[2] for image in first]
    make = np.empty if channels[0] == channels[1] else np.zeros
    out: ImageArray = make((steps, 2, batch, size, size, max(channels)), first[0].dtype)
    for (domain, column), index in np.ndenumerate(rows.index):
        place = (domain, column)
        image = read[domain](int(index))
        top, left = (int(offset(share[place], side - size)) for share, side in zip((rows.top, rows.left), image.shape, strict=False))
        square = crop(image, top, left, size, bool(rows.flip[place]))
        _copy(square, out[column // batch, domain, column % batch, ..., : channels[domain]])
    return out


def _copy(square: ImageArray, target: ImageArray) -> None:
    if square.strides[1] > 0:
        target[...] = square
    else:  # NumPy copies mirrored pixels of three bytes one by one, but mirrored planes in long loops: 58 against 277 us at 256 x 256.
        for channel in range(square.shape[2]):
            target[..., channel] = square[..., channel]
