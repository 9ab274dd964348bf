import io

import numpy as np
import pytest
from PIL import Image

from cyclegan.evaluation.jpeg_round_trip import jpeg_round_trip
from cyclegan.evaluation.pixel_errors import mean_absolute_error
from preprocess.images.decode import decode
from preprocess.images.decoded_image import ImageArray, to_depth
from tests.cyclegan.evaluation.leaves import halves


def image() -> ImageArray:
    return np.clip(halves()[0][0], 1, 254)


def test_colour_is_a_file_of_quality_95() -> None:
    file = io.BytesIO()
    Image.fromarray(image()).save(file, "JPEG", quality=95)
    assert np.array_equal(jpeg_round_trip(image()), decode(file.getvalue()))


def test_other_channels_are_grey_images_of_their_own() -> None:
    for channels in (1, 2, 4, 5):
        bands = np.concatenate([image(), image()[::-1]], 2)[..., :channels]
        result = jpeg_round_trip(bands)
        for i in range(channels):
            file = io.BytesIO()
            Image.fromarray(bands[..., i].copy()).save(file, "JPEG", quality=95)
            assert np.array_equal(result[..., i : i + 1], decode(file.getvalue(), channels=1))


@pytest.mark.parametrize("shape", [(1, 1, 3), (143, 17, 1), (9, 8, 3), (8, 9, 2)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_shape_and_depth_stay(shape: tuple[int, int, int], dtype: type) -> None:
    flat = np.full(shape, np.iinfo(dtype).max // 5 * 3, dtype)
    result = jpeg_round_trip(flat)
    assert result.shape == shape and result.dtype == dtype
    assert mean_absolute_error(result, flat) < 0.01


def test_16_bits_become_8() -> None:
    deep = to_depth(image(), 16)
    hidden = deep + np.random.default_rng(0).integers(0, 100, deep.shape, np.uint16) * (deep < 65000)
    assert np.array_equal(jpeg_round_trip(hidden), to_depth(jpeg_round_trip(image()), 16))


def test_a_hidden_pattern_is_lost_and_the_image_stays() -> None:
    """Red one level up and blue one down, or the reverse, from pixel to pixel: none of it comes back."""
    sign = (np.indices((64, 64)).sum(0) % 2 * 2 - 1)[..., None] * np.array([1, 0, -1])
    hidden = (image() + sign).astype(np.uint8)
    left = jpeg_round_trip(hidden).astype(np.int16) - jpeg_round_trip(image())
    assert np.mean(sign * (hidden - image().astype(np.int16))) == pytest.approx(2 / 3)
    assert abs(np.mean(sign * left)) < 0.02
    assert mean_absolute_error(jpeg_round_trip(image()), image()) < 0.04
