"""Space-to-depth and back; the convolutions built from it are tested in test_convolution."""

import numpy as np
import tensorflow as tf

from cyclegan.ops.lazy_gather import as_pixels, as_tensor, cropped_or_padded
from cyclegan.ops.space_to_depth import depth_to_space, space_to_depth

IMAGES = np.random.default_rng(0).normal(size=(2, 2, 4, 6, 3))
X = as_pixels(tf.constant(IMAGES))


def test_squares_become_channels_line_by_line():
    deep = as_tensor(space_to_depth(X, 2)).numpy()
    assert deep.shape == (2, 2, 2, 3, 12)
    np.testing.assert_array_equal(deep[1, 0, 1, 2].reshape(2, 2, 3), IMAGES[1, 0, 2:4, 4:6])


def test_depth_to_space_undoes_it_and_keeps_zeros():
    wide = cropped_or_padded(X, 4, 8)
    deep = as_tensor(space_to_depth(wide, 2))
    np.testing.assert_array_equal(as_tensor(depth_to_space(as_pixels(deep), 2)), as_tensor(wide))
    np.testing.assert_array_equal(as_tensor(depth_to_space(cropped_or_padded(as_pixels(deep), 2, 5), 2))[:, :, :, 8:], 0)
