"""Resizing matches the reference: bicubic with a kernel that widens."""

import io

import numpy as np
import pytest
from PIL import Image

from preprocess.images.decode import decode, decode_to_resize
from preprocess.images.decoded_image import BrokenImage
from preprocess.images.resize import prepare, resize, resize_unrounded, square


def image(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("shape", [(50, 80), (286, 286), (1, 1), (3, 400), (600, 20)])
def test_square_is_pillow_bicubic(shape: tuple[int, int]) -> None:
    pixels = image(*shape)
    result = square(pixels, 286)
    assert result.shape == (286, 286, 3) and result.dtype == np.uint8
    np.testing.assert_array_equal(result, np.asarray(Image.fromarray(pixels).resize((286, 286), Image.Resampling.BICUBIC)))


def test_height_comes_first() -> None:
    assert resize(image(10, 10), 20, 30).shape == (20, 30, 3)


def test_equal_size_changes_nothing() -> None:
    np.testing.assert_array_equal(resize(image(30, 20), 30, 20), image(30, 20))


def test_shrinking_does_not_alias() -> None:
    lines = np.zeros((256, 256, 3), np.uint8)
    lines[:, ::2] = 255
    # Lines one pixel wide become even grey; nearest-neighbour sampling would give all black or all white.
    assert np.abs(square(lines, 64)[:, 4:-4].astype(int) - 128).max() <= 3


def test_reversed_views_are_resized_as_seen() -> None:
    pixels = image(40, 40)[:, ::-1]
    np.testing.assert_array_equal(square(pixels, 20), square(np.ascontiguousarray(pixels), 20))


@pytest.mark.parametrize("mode", ["RGB", "CMYK", "P", "L", "RGBA"])
@pytest.mark.parametrize("bits", [8, 16])
def test_pillow_images_are_resized_directly(mode: str, bits: int) -> None:
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 61, 3), np.uint8)
    Image.fromarray(pixels).convert(mode).save(file, "TIFF")
    for size in (30, (40, 61)):
        target = (size, size) if isinstance(size, int) else size
        direct = resize(decode_to_resize(file.getvalue(), bits=bits), *target)
        assert np.array_equal(direct, resize(decode(file.getvalue(), bits=bits), *target))
        assert direct.shape == (*target, 3) and direct.dtype == (np.uint8 if bits == 8 else np.uint16)


def test_modes_match_the_reference() -> None:
    pixels = image(60, 90)
    np.testing.assert_array_equal(prepare(pixels, "resize_and_crop", 40, None), square(pixels, 40))
    for mode in ("scale_width", "scale_width_and_crop"):
        assert prepare(pixels, mode, 48, 24).shape == (32, 48, 3)
        assert prepare(pixels, mode, 48, 40).shape == (40, 48, 3)  # never lower than a crop
        np.testing.assert_array_equal(prepare(pixels, mode, 48, 24), resize(pixels, 32, 48))
        np.testing.assert_array_equal(prepare(pixels, mode, 90, 24), pixels)
    for mode in ("crop", "none"):
        np.testing.assert_array_equal(prepare(pixels, mode, 7, 24), pixels)
    with pytest.raises(BrokenImage, match=r"^90x60 pixels, less than data\.crop_size = 61$"):
        prepare(pixels, "crop", 286, 61)


def test_modes_with_height_and_width() -> None:
    pixels = image(60, 90)
    assert prepare(pixels, "resize_and_crop", (40, 70), None).shape == (40, 70, 3)
    np.testing.assert_array_equal(prepare(pixels, "resize_and_crop", (40, 70), None), resize(pixels, 40, 70))
    for mode in ("scale_width", "scale_width_and_crop"):
        assert prepare(pixels, mode, 48, (24, 48)).shape == (32, 48, 3)
        assert prepare(pixels, mode, 48, (36, 24)).shape == (36, 48, 3)
    np.testing.assert_array_equal(prepare(pixels, "crop", 286, (60, 90)), pixels)
    for crop in ((61, 80), (60, 91)):
        with pytest.raises(BrokenImage, match=rf"^90x60 pixels, less than data\.crop_size = \[{crop[0]}, {crop[1]}\] \(height, width\)$"):
            prepare(pixels, "crop", 286, crop)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_bands_are_resized_one_by_one(channels: int) -> None:
    pixels = np.random.default_rng(4).integers(0, 256, (50, 70, channels), np.uint8)
    got = resize(pixels, 30, 20)
    for i in range(channels):
        np.testing.assert_array_equal(got[..., i], np.asarray(Image.fromarray(pixels[..., i]).resize((20, 30), Image.Resampling.BICUBIC)))
    deep = resize(pixels.astype(np.uint16) * 257, 30, 20)
    assert deep.dtype == np.uint16
    assert np.abs(deep / 257 - got).max() <= 1.01  # Pillow's 8-bit kernels use fixed-point arithmetic and clip alike


def test_16_bits_keep_their_depth_without_wrapping() -> None:
    ramp = np.tile(np.arange(0, 65536, 64, dtype=np.uint16)[:, None, None], (1, 8, 1))
    small = resize(ramp, 256, 8)[:, 0, 0].astype(int)
    assert (np.diff(small) > 0).all() and len({level % 257 for level in small}) > 50
    edge = np.zeros((40, 40, 1), np.uint16)
    edge[:, 20:] = 65535
    got = resize(edge, 100, 100)[50, :, 0].astype(int)
    assert got.min() == 0 and got.max() == 65535 and (np.diff(got) < 3000).sum() > 90


def test_unrounded_levels_are_what_rounding_starts_from() -> None:
    pixels = np.random.default_rng(5).integers(0, 65536, (40, 30, 2)).astype(np.uint16)
    exact = resize_unrounded(pixels, 60, 50)
    assert exact.dtype == np.float32 and exact.min() < 0 and exact.max() > 65535
    np.testing.assert_array_equal(np.clip(np.rint(exact), 0, 65535), resize(pixels, 60, 50))
    np.testing.assert_array_equal(resize_unrounded(pixels, 40, 30), pixels)
