"""Crops, flips and batches against their plain definition."""

import numpy as np
import pytest

from preprocess.feed.augment import batches, crop
from preprocess.feed.plan import Plan, WorkerShare, offset
from preprocess.images.decoded_image import ImageArray

SHARE = WorkerShare(rank=0, workers=1, batch=2)


def image(height: int = 10, width: int = 12, channels: int = 3) -> ImageArray:
    """Every value encodes its position."""
    return np.arange(height * width * channels, dtype=np.uint16).reshape(height, width, channels)


@pytest.mark.parametrize(("top", "left"), [(0, 0), (2, 4), (1, 3)])
def test_crop_is_the_square_at_its_offset(top: int, left: int) -> None:
    full = image()
    plain, mirrored = (crop(full, top, left, 8, flip) for flip in (False, True))
    for y in range(8):
        for x in range(8):
            assert np.array_equal(plain[y, x], full[top + y, left + x])
            assert np.array_equal(mirrored[y, x], full[top + y, left + 7 - x])


def test_crop_is_a_view() -> None:
    full = image()
    assert all(np.shares_memory(full, crop(full, 1, 1, 8, flip)) for flip in (False, True))


@pytest.mark.parametrize(("top", "left"), [(-1, 0), (0, -1), (3, 0), (0, 5)])
def test_crop_beyond_the_edge(top: int, left: int) -> None:
    with pytest.raises(AssertionError):
        crop(image(), top, left, 8, False)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_batches_follow_the_rows(channels: int, dtype: type[np.uint8] | type[np.uint16]) -> None:
    random = np.random.default_rng(0)
    domains: list[ImageArray] = [random.integers(0, 256, (n, 12, 12, channels)).astype(dtype) for n in (5, 7)]
    rows = Plan((5, 7), 0, 8, True).worker_rows(3, SHARE, steps=6)
    got = batches((lambda i: domains[0][i], lambda i: domains[1][i]), rows, steps=6, size=8)

    assert got.shape == (6, 2, 2, 8, 8, channels) and got.dtype == dtype and got.flags.c_contiguous
    assert rows.flip.any() and not rows.flip.all()
    for step, domain, row in np.ndindex(6, 2, 2):
        at = (domain, 2 * step + row)
        top, left = (int(offset(share[at], 4)) for share in (rows.top, rows.left))
        expected = crop(domains[domain][rows.index[at]], top, left, 8, bool(rows.flip[at]))
        assert np.array_equal(got[step, domain, row], expected)


def test_domains_of_unequal_channels_share_the_larger_number() -> None:
    grey, colour = np.full((12, 12, 1), 7, np.uint16), np.full((12, 12, 3), 9, np.uint16)
    rows = Plan((5, 7), 0, 8, True).worker_rows(0, SHARE, steps=3)
    for read, channels in (((lambda _: grey, lambda _: colour), (1, 3)), ((lambda _: colour, lambda _: grey), (3, 1))):
        got = batches(read, rows, steps=3, size=8)
        assert got.shape == (3, 2, 2, 8, 8, 3) and got.dtype == np.uint16
        for domain, (value, count) in enumerate(zip((7, 9) if channels[0] == 1 else (9, 7), channels, strict=True)):
            assert (got[:, domain, ..., :count] == value).all() and not got[:, domain, ..., count:].any()


def test_images_of_several_sizes_are_cropped_anywhere() -> None:
    images = [image(8, 8), image(8, 30), image(40, 9)]
    rows = Plan((3, 3), 1, 8, False).worker_rows(0, WorkerShare(rank=0, workers=1, batch=600))
    got = batches((lambda i: images[i], lambda i: images[i]), rows, steps=1, size=8)
    corners = got[0, 0, :, 0, 0, 0]  # the first value encodes where the crop began
    assert set(corners[rows.index[0] == 0]) == {0}
    assert set(corners[rows.index[0] == 1]) == {3 * left for left in range(23)}
    assert {int(corner) // 27 for corner in corners[rows.index[0] == 2]} == set(range(33))
