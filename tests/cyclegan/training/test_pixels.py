"""Pixels to the range [-1, 1] and back."""

import numpy as np
import pytest
import tensorflow as tf

from cyclegan.training.pixels import to_pixels, to_signed

ALL = np.arange(256, dtype=np.uint8)


@pytest.mark.parametrize(("pixel", "signed"), [(0, -1.0), (127, -1 / 255), (128, 1 / 255), (255, 1.0)])
def test_pixel_to_signed(pixel: int, signed: float) -> None:
    value = to_signed(tf.constant([pixel], tf.uint8))
    assert value.dtype == tf.float32
    # Half a unit in the last place of 1, from the subtraction.
    np.testing.assert_allclose(value, [signed], rtol=0, atol=6e-8)
    np.testing.assert_allclose(to_signed(tf.constant([pixel], tf.uint8), tf.float64), [signed], rtol=0, atol=1.2e-16)


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_every_value_of_8_bits_comes_back(dtype: tf.DType) -> None:
    pixels = to_pixels(to_signed(tf.constant(ALL), dtype).numpy())
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, ALL)


def test_shape_is_kept() -> None:
    assert to_signed(tf.zeros([2, 1, 4, 5, 3], tf.uint8)).shape == [2, 1, 4, 5, 3]
    assert to_pixels(np.zeros([2, 4, 5, 3], np.float32)).shape == (2, 4, 5, 3)


def test_values_are_rounded_to_nearest_and_clipped() -> None:
    step = 1 / 127.5
    np.testing.assert_array_equal(to_pixels(np.array([-1 + 10.4 * step, -1 + 10.6 * step, -1.5, 7.0])), [10, 11, 0, 255])


def test_16_bits_span_the_same_range() -> None:
    np.testing.assert_allclose(
        to_signed(tf.constant([0, 32767, 32768, 65535], tf.uint16)), [-1, -1 / 65535, 1 / 65535, 1], rtol=0, atol=6e-8
    )
    # An 8-bit value times 257 is the same grey in 16 bits.
    wide = to_signed(tf.constant(ALL.astype(np.uint16) * 257))
    np.testing.assert_allclose(wide, to_signed(tf.constant(ALL)), rtol=0, atol=1.2e-7)
    np.testing.assert_array_equal(to_pixels(wide.numpy()), ALL)


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_every_value_of_16_bits_comes_back(dtype: tf.DType) -> None:
    levels = np.arange(65536, dtype=np.uint16)
    pixels = to_pixels(to_signed(tf.constant(levels), dtype).numpy(), bits=16)
    assert pixels.dtype == np.uint16
    np.testing.assert_array_equal(pixels, levels)
    np.testing.assert_array_equal(to_pixels(np.array([-1.5, 7.0]), bits=16), [0, 65535])
