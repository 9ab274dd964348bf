"""Conversion of channels and depth."""

import numpy as np
import pytest
from PIL import Image

from preprocess.images.decoded_image import BrokenImage, DecodedImage, to_channels, to_depth

RANDOM = np.random.default_rng(1)


def noise(channels: int, dtype: type[np.uint8] | type[np.uint16] = np.uint8) -> np.ndarray:
    return RANDOM.integers(0, np.iinfo(dtype).max + 1, (9, 7, channels)).astype(dtype)


def test_all_8_bit_levels_survive_16_bits() -> None:
    levels = np.arange(256, dtype=np.uint8)[None, :, None]
    deep = to_depth(levels, 16)
    assert deep.dtype == np.uint16 and deep[0, -1, 0] == 65535
    np.testing.assert_array_equal(to_depth(deep, 8), levels)
    assert to_depth(levels, 8) is levels and to_depth(deep, 16) is deep


def test_all_16_bit_levels_round_to_the_nearest() -> None:
    levels = np.arange(65536)
    got = to_depth(levels.astype(np.uint16)[None, :, None], 8)[0, :, 0]
    np.testing.assert_array_equal(got, np.rint(levels / 257))


def test_grey_from_colour_matches_pillow() -> None:
    pixels = noise(3)
    np.testing.assert_array_equal(to_channels(DecodedImage(pixels, 3), 1)[..., 0], np.asarray(Image.fromarray(pixels).convert("L")))
    deep = to_channels(DecodedImage(to_depth(pixels, 16), 3), 1)
    assert deep.dtype == np.uint16 and np.abs(deep / 257 - np.asarray(Image.fromarray(pixels).convert("L"))[..., None]).max() <= 0.51
    assert to_channels(DecodedImage(np.full((1, 1, 3), 65535, np.uint16), 3), 1)[0, 0, 0] == 65535


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_alpha_is_composited_over_white(dtype: type[np.uint8] | type[np.uint16]) -> None:
    pixels, white = noise(4, dtype), int(np.iinfo(dtype).max)
    share = pixels[..., 3:] / white
    expected = pixels[..., :3] * share + white * (1 - share)
    got = to_channels(DecodedImage(pixels, 3, alpha=True), 3)
    assert got.dtype == dtype and np.abs(got - expected).max() <= 0.5 + 1e-6
    assert (to_channels(DecodedImage(np.full((1, 1, 2), white, dtype), 1, alpha=True), 1) == white).all()


def test_four_channels_are_colour_and_alpha() -> None:
    grey = noise(2)
    np.testing.assert_array_equal(to_channels(DecodedImage(grey, 1, alpha=True), 4), grey[..., [0, 0, 0, 1]])
    colour = to_channels(DecodedImage(noise(3, np.uint16), 3), 4)
    assert (colour[..., 3] == 65535).all()


def test_bands_are_kept_or_refused() -> None:
    bands = noise(5)
    assert to_channels(DecodedImage(bands, 5), 5) is bands
    unnamed = noise(4)
    assert to_channels(DecodedImage(unnamed, 3), 4) is unnamed
    np.testing.assert_array_equal(to_channels(DecodedImage(unnamed, 3), 3), unnamed[..., :3])
    for decoded, channels in ((DecodedImage(bands, 5), 3), (DecodedImage(noise(3), 3), 5), (DecodedImage(noise(2), 2), 1)):
        with pytest.raises(BrokenImage, match=rf"^{decoded.colours} channels, not {channels}$"):
            to_channels(decoded, channels)
