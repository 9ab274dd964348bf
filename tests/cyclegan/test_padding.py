import numpy as np
import tensorflow as tf

from cyclegan.padding import reflection_pad, zero_pad

PICTURES = np.random.default_rng(0).normal(size=(2, 2, 5, 6, 3))


def test_zero_pad_surrounds_height_and_width():
    np.testing.assert_array_equal(zero_pad(tf.constant(PICTURES), 2), np.pad(PICTURES, [(0, 0), (0, 0), (2, 2), (2, 2), (0, 0)]))


def test_reflection_does_not_repeat_the_border():
    expected = np.pad(PICTURES, [(0, 0), (0, 0), (3, 3), (3, 3), (0, 0)], "reflect")
    np.testing.assert_array_equal(reflection_pad(tf.constant(PICTURES), 3), expected)
