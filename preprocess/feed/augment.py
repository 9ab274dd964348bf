"""Crops, mirroring, turns, colours and batches: applies the plan's decisions to pixels."""

from collections.abc import Callable

import numpy as np

from preprocess.feed.plan import Rows, offset
from preprocess.images.colour_jitter import Jitter, jittered
from preprocess.images.decoded_image import ImageArray

ReadImage = Callable[[int], ImageArray]


def crop(image: ImageArray, top: int, left: int, size: tuple[int, int]) -> ImageArray:
    """The rectangle of `size` (height, width) at (top, left) of an image [H, W, C]; a view."""
    height, width, _ = image.shape
    assert 0 <= top <= height - size[0] and 0 <= left <= width - size[1], (image.shape, top, left, size)
    return image[top : top + size[0], left : left + size[1]]


def turned(image: ImageArray, flip: bool, flip_vertical: bool = False, turns: int = 0) -> ImageArray:
    """An image [H, W, C] mirrored left to right, then top to bottom, then turned counter-clockwise by quarter turns; a view."""
    image = image[:, ::-1] if flip else image
    image = image[::-1] if flip_vertical else image
    return np.rot90(image, turns) if turns else image


def batches(read: tuple[ReadImage, ReadImage], rows: Rows, steps: int, size: tuple[int, int]) -> ImageArray:
    """Assemble the batches of some steps: [steps, 2, B, H, W, C] with crops of `size` (H, W), contiguous, in the images' dtype.

    C is that of the domain with more channels; the surplus channels of the other domain are 0, and the model ignores them.

    read: gives image i [H, W, C] of domain A, and of domain B; rows: B rows for each step, step after step.
    Raises what `read` raises.
    """
    batch = rows.index.shape[1] // steps
    first = [read[domain](int(rows.index[domain, 0])) for domain in range(2)]
    channels = [image.shape[2] for image in first]
    make = np.empty if channels[0] == channels[1] else np.zeros
    out: ImageArray = make((steps, 2, batch, *size, max(channels)), first[0].dtype)
    for at, index in np.ndenumerate(rows.index):
        domain, row = at
        image = read[domain](int(index))
        shares = (rows.top[at], rows.left[at])
        top, left = (int(offset(share, side - part)) for share, side, part in zip(shares, image.shape, size, strict=False))
        cut = turned(crop(image, top, left, size), bool(rows.flip[at]), bool(rows.flip_vertical[at]), int(rows.turns[at]))
        if rows.jitter is not None:
            *drawn, order = rows.jitter[at].tolist()
            cut = jittered(cut, Jitter._make([*drawn, int(order)]))
        _copy(cut, out[row // batch, domain, row % batch, ..., : channels[domain]])
    return out


def _copy(source: ImageArray, target: ImageArray) -> None:
    if source.strides[1] == source.shape[2] * source.itemsize:
        target[...] = source
    else:  # NumPy copies mirrored pixels of three bytes one by one, but mirrored planes in long loops: 277 against 58 us at 256 x 256.
        for channel in range(source.shape[2]):
            target[..., channel] = source[..., channel]
