"""Crops, mirroring, turns, colours and batches against their plain definition."""

import numpy as np
import pytest

from preprocess.feed.augment import batches, crop, turned
from preprocess.feed.plan import Plan, WorkerShare, offset
from preprocess.images.colour_jitter import Jitter, JitterStrengths, jittered
from preprocess.images.decoded_image import ImageArray

SHARE = WorkerShare(rank=0, workers=1, batch=2)


def image(height: int = 10, width: int = 12, channels: int = 3) -> ImageArray:
    """Every value encodes its position."""
    return np.arange(height * width * channels, dtype=np.uint16).reshape(height, width, channels)


@pytest.mark.parametrize(("top", "left"), [(0, 0), (2, 4), (1, 3)])
def test_crop_is_the_rectangle_at_its_offset(top: int, left: int) -> None:
    full = image()
    plain = crop(full, top, left, (7, 8))
    mirrored, upside_down, quarter = turned(plain, True), turned(plain, False, True), turned(plain, False, False, 1)
    assert plain.shape == (7, 8, 3) and quarter.shape == (8, 7, 3)
    for y in range(7):
        for x in range(8):
            assert np.array_equal(plain[y, x], full[top + y, left + x])
            assert np.array_equal(mirrored[y, x], full[top + y, left + 7 - x])
            assert np.array_equal(upside_down[y, x], full[top + 6 - y, left + x])
            assert np.array_equal(quarter[7 - x, y], full[top + y, left + x])  # counter-clockwise: the right edge becomes the upper one


def test_mirroring_and_turning_reach_all_eight_positions_of_a_square() -> None:
    square = crop(image(), 0, 0, (8, 8))
    ways = [(flip, vertical, turns) for flip in (False, True) for vertical in (False, True) for turns in range(4)]
    counts = np.unique([turned(square, *way).ravel() for way in ways], axis=0, return_counts=True)[1]
    assert counts.tolist() == [2] * 8


def test_crop_is_a_view() -> None:
    full = image()
    cut = crop(full, 1, 1, (7, 8))
    assert all(np.shares_memory(full, turned(cut, flip, vertical, 1)) for flip in (False, True) for vertical in (False, True))


@pytest.mark.parametrize(("top", "left"), [(-1, 0), (0, -1), (4, 0), (0, 5)])
def test_crop_beyond_the_edge(top: int, left: int) -> None:
    with pytest.raises(AssertionError):
        crop(image(), top, left, (7, 8))


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_batches_follow_the_rows(channels: int, dtype: type[np.uint8] | type[np.uint16]) -> None:
    random = np.random.default_rng(0)
    domains: list[ImageArray] = [random.integers(0, 256, (n, 12, 12, channels)).astype(dtype) for n in (5, 7)]
    rows = Plan((5, 7), 0, (8, 8), True).worker_rows(3, SHARE, steps=6)
    got = batches((lambda i: domains[0][i], lambda i: domains[1][i]), rows, steps=6, size=(8, 8))

    assert got.shape == (6, 2, 2, 8, 8, channels) and got.dtype == dtype and got.flags.c_contiguous
    assert rows.flip.any() and not rows.flip.all()
    for step, domain, row in np.ndindex(6, 2, 2):
        at = (domain, 2 * step + row)
        top, left = (int(offset(share[at], 4)) for share in (rows.top, rows.left))
        expected = domains[domain][rows.index[at], top : top + 8, left : left + 8]
        assert np.array_equal(got[step, domain, row], expected[:, ::-1] if rows.flip[at] else expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_batches_of_rectangles_with_other_colours(dtype: type[np.uint8] | type[np.uint16]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (7, 10, 20, 3)).astype(dtype)
    plan = Plan((5, 7), 0, (8, 16), flip=True, flip_vertical=True, jitter=JitterStrengths(0.3, 0.3, 0.3, 0.1))
    rows = plan.worker_rows(3, SHARE, steps=6)
    got = batches((lambda i: pixels[i], lambda i: pixels[i]), rows, steps=6, size=(8, 16))

    assert got.shape == (6, 2, 2, 8, 16, 3) and got.dtype == dtype and rows.jitter is not None
    assert rows.flip_vertical.any() and not rows.flip_vertical.all()
    for step, domain, row in np.ndindex(6, 2, 2):
        at = (domain, 2 * step + row)
        top, left = int(offset(rows.top[at], 2)), int(offset(rows.left[at], 4))
        cut = turned(crop(pixels[rows.index[at]], top, left, (8, 16)), bool(rows.flip[at]), bool(rows.flip_vertical[at]))
        *drawn, order = rows.jitter[at]
        assert np.array_equal(got[step, domain, row], jittered(cut, Jitter(*drawn, order=int(order))))
        assert not np.array_equal(got[step, domain, row], cut)


@pytest.mark.parametrize("channels", [1, 3])
def test_batches_of_turned_squares(channels: int) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (7, 8, 8, channels)).astype(np.uint8)
    rows = Plan((7, 7), 0, (8, 8), flip=False, rotate=True).worker_rows(0, SHARE, steps=6)
    got = batches((lambda i: pixels[i], lambda i: pixels[i]), rows, steps=6, size=(8, 8))
    assert set(rows.turns.ravel()) == {0, 1, 2, 3}
    for step, domain, row in np.ndindex(6, 2, 2):
        at = (domain, 2 * step + row)
        assert np.array_equal(got[step, domain, row], np.rot90(pixels[rows.index[at]], rows.turns[at]))


def test_domains_of_unequal_channels_share_the_larger_number() -> None:
    grey, colour = np.full((12, 12, 1), 7, np.uint16), np.full((12, 12, 3), 9, np.uint16)
    rows = Plan((5, 7), 0, (8, 8), True).worker_rows(0, SHARE, steps=3)
    for read, channels in (((lambda _: grey, lambda _: colour), (1, 3)), ((lambda _: colour, lambda _: grey), (3, 1))):
        got = batches(read, rows, steps=3, size=(8, 8))
        assert got.shape == (3, 2, 2, 8, 8, 3) and got.dtype == np.uint16
        for domain, (value, count) in enumerate(zip((7, 9) if channels[0] == 1 else (9, 7), channels, strict=True)):
            assert (got[:, domain, ..., :count] == value).all() and not got[:, domain, ..., count:].any()


def test_images_of_several_sizes_are_cropped_anywhere() -> None:
    images = [image(8, 6), image(8, 28), image(40, 7)]
    rows = Plan((3, 3), 1, (8, 6), False).worker_rows(0, WorkerShare(rank=0, workers=1, batch=600))
    got = batches((lambda i: images[i], lambda i: images[i]), rows, steps=1, size=(8, 6))
    corners = got[0, 0, :, 0, 0, 0]  # the first value encodes where the crop began
    assert set(corners[rows.index[0] == 0]) == {0}
    assert set(corners[rows.index[0] == 1]) == {3 * left for left in range(23)}
    assert {int(corner) // 21 for corner in corners[rows.index[0] == 2]} == set(range(33))
