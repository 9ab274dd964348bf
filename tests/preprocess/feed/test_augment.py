"""Crops, flips and batches against the plain definition."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from preprocess.feed.augment import batches, crop
from preprocess.feed.plan import Plan, offset

ImageArray = npt.NDArray[Any]


def image(height: int = 10, width: int = 12, channels: int = 3) -> ImageArray:
    """Every value says where it is."""
    return np.arange(height * width * channels, dtype=np.uint16).reshape(height, width, channels)


@pytest.mark.parametrize(("top", "left"), [(0, 0), (2, 4), (1, 3)])
def test_crop_is_the_square_at_its_place(top: int, left: int) -> None:
    whole = image()
    plain, mirrored = (crop(whole, top, left, 8, flip) for flip in (False, True))
    for row in range(8):
        for column in range(8):
            assert np.array_equal(plain[row, column], whole[top + row, left + column])
            assert np.array_equal(mirrored[row, column], whole[top + row, left + 7 - column])


def test_crop_is_a_view() -> None:
    whole = image()
    assert all(np.shares_memory(whole, crop(whole, 1, 1, 8, flip)) for flip in (False, True))


@pytest.mark.parametrize(("top", "left"), [(-1, 0), (0, -1), (3, 0), (0, 5)])
def test_crop_beyond_the_edge(top: int, left: int) -> None:
    with pytest.raises(AssertionError):
        crop(image(), top, left, 8, False)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_batches_follow_the_rows(channels: int, dtype: type[np.uint8] | type[np.uint16]) -> None:
    random = np.random.default_rng(0)
    domains: list[ImageArray] = [random.integers(0, 256, (n, 12, 12, channels)).astype(dtype) for n in (5, 7)]
    rows = Plan((5, 7), 0, 8, True).worker_rows(3, 2, 0, 1, steps=6)
    got = batches((lambda i: domains[0][i], lambda i: domains[1][i]), rows, steps=6, size=8)

    assert got.shape == (6, 2, 2, 8, 8, channels) and got.dtype == dtype and got.flags.c_contiguous
    assert rows.flip.any() and not rows.flip.all()
    for step, domain, row in np.ndindex(6, 2, 2):
        place = (domain, 2 * step + row)
        top, left = (int(offset(share[place], 4)) for share in (rows.top, rows.left))
        expected = crop(domains[domain][rows.index[place]], top, left, 8, bool(rows.flip[place]))
        assert np.array_equal(got[step, domain, row], expected)


def test_domains_of_unequal_channels_share_the_larger_number() -> None:
    gray, colour = np.full((12, 12, 1), 7, np.uint16), np.full((12, 12, 3), 9, np.uint16)
    rows = Plan((5, 7), 0, 8, True).worker_rows(0, 2, 0, 1, steps=3)
    for read, channels in (((lambda _: gray, lambda _: colour), (1, 3)), ((lambda _: colour, lambda _: gray), (3, 1))):
        got = batches(read, rows, steps=3, size=8)
        assert got.shape == (3, 2, 2, 8, 8, 3) and got.dtype == np.uint16
        for domain, (value, count) in enumerate(zip((7, 9) if channels[0] == 1 else (9, 7), channels, strict=True)):
            assert (got[:, domain, ..., :count] == value).all() and not got[:, domain, ..., count:].any()


def test_images_of_several_sizes_are_cropped_anywhere() -> None:
    images = [image(8, 8), image(8, 30), image(40, 9)]
    rows = Plan((3, 3), 1, 8, False).rows(0, 600)
    got = batches((lambda i: images[i], lambda i: images[i]), rows, steps=600, size=8)
    corners = got[:, 0, 0, 0, 0, 0]  # the first value says where the crop began
    assert set(corners[rows.index[0] == 0]) == {0}
    assert set(corners[rows.index[0] == 1]) == {3 * left for left in range(23)}
    assert {int(corner) // 27 for corner in corners[rows.index[0] == 2]} == set(range(33))
