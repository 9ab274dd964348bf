"""Resizing is the reference's: bicubic with a kernel that widens."""

import io

import numpy as np
import pytest
from PIL import Image

from preprocess.decode import decode, decode_to_resize
from preprocess.resize import resize, square


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("shape", [(50, 80), (286, 286), (1, 1), (3, 400), (600, 20)])
def test_square_is_pillows_bicubic(shape: tuple[int, int]) -> None:
    pixels = picture(*shape)
    result = square(pixels, 286)
    assert result.shape == (286, 286, 3) and result.dtype == np.uint8
    np.testing.assert_array_equal(result, np.asarray(Image.fromarray(pixels).resize((286, 286), Image.Resampling.BICUBIC)))


def test_height_comes_first() -> None:
    assert resize(picture(10, 10), 20, 30).shape == (20, 30, 3)


def test_equal_size_changes_nothing() -> None:
    np.testing.assert_array_equal(resize(picture(30, 20), 30, 20), picture(30, 20))


def test_shrinking_does_not_alias() -> None:
    lines = np.zeros((256, 256, 3), np.uint8)
    lines[:, ::2] = 255
    # Lines of one pixel become even grey; picking pixels would give all black or all white.
    assert np.abs(square(lines, 64)[:, 4:-4].astype(int) - 128).max() <= 3


def test_reversed_views_are_resized_as_seen() -> None:
    pixels = picture(40, 40)[:, ::-1]
    np.testing.assert_array_equal(square(pixels, 20), square(np.ascontiguousarray(pixels), 20))


@pytest.mark.parametrize("mode", ["RGB", "CMYK", "P", "L", "RGBA"])
@pytest.mark.parametrize("bits", [8, 16])
def test_what_pillow_decoded_needs_no_way_over_numpy(mode: str, bits: int) -> None:
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 61, 3), np.uint8)
    Image.fromarray(pixels).convert(mode).save(file, "TIFF")
    for size in (30, (40, 61)):
        target = (size, size) if isinstance(size, int) else size
        direct = resize(decode_to_resize(file.getvalue(), bits=bits), *target)
        assert np.array_equal(direct, resize(decode(file.getvalue(), bits=bits), *target))
        assert direct.shape == (*target, 3) and direct.dtype == (np.uint8 if bits == 8 else np.uint16)
