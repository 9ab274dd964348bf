"""Crops, flips and their assembly into batches: the plan's decisions carried out on pixels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from preprocess.feed.plan import Rows, offset

Picture = npt.NDArray[Any]


def crop(picture: Picture, top: int, left: int, size: int, flip: bool) -> Picture:
    """The square of `size` pixels a side at (top, left) of a picture [H, W, C], mirrored left to right if `flip`; a view."""
    height, width, _ = picture.shape
    assert 0 <= top <= height - size and 0 <= left <= width - size, (picture.shape, top, left, size)
    square = picture[top : top + size, left : left + size]
    return square[:, ::-1] if flip else square


def batches(read: tuple[Callable[[int], Picture], Callable[[int], Picture]], rows: Rows, steps: int, size: int) -> Picture:
    """Assemble the batches of some steps: [steps, 2, B, size, size, C], contiguous, of the pictures' dtype.

    C is that of the domain with more channels; the surplus ones of the other are 0, for the model to leave out.

    read: gives picture i [H, W, C] of domain A, of domain B; rows: the steps' rows, B of them each, step after step.
    Raises what `read` raises.
    """
    batch = rows.index.shape[1] // steps
    first = [read[domain](int(rows.index[domain, 0])) for domain in range(2)]
    channels = [picture.shape[2] for picture in first]
    make = np.empty if channels[0] == channels[1] else np.zeros
    out: Picture = make((steps, 2, batch, size, size, max(channels)), first[0].dtype)
    for (domain, column), index in np.ndenumerate(rows.index):
        place = (domain, column)
        picture = read[domain](int(index))
        top, left = (int(offset(share[place], side - size)) for share, side in zip((rows.top, rows.left), picture.shape, strict=False))
        square = crop(picture, top, left, size, bool(rows.flip[place]))
        _copy(square, out[column // batch, domain, column % batch, ..., : channels[domain]])
    return out


def _copy(square: Picture, target: Picture) -> None:
    if square.strides[1] > 0:
        target[...] = square
    else:  # NumPy copies mirrored pixels of three bytes one by one, but mirrored planes in long loops: 58 against 277 us at 256 x 256.
        for channel in range(square.shape[2]):
            target[..., channel] = square[..., channel]
