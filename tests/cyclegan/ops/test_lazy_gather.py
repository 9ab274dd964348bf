import numpy as np
import pytest
import tensorflow as tf

from cyclegan.ops.lazy_gather import ZEROS, Mode, as_pixels, as_tensor, cropped_or_padded, gather, padded
from cyclegan.training.compiled_function import CompiledFunction

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(2, 2, 4, 6, 3))
X = as_pixels(tf.constant(IMAGES))


def test_as_tensor_undoes_as_pixels():
    np.testing.assert_array_equal(as_tensor(X), IMAGES)


@pytest.mark.parametrize(("mode", "numpys"), [("zero", "constant"), ("reflect", "reflect")])
def test_padding(mode: Mode, numpys):
    expected = np.pad(IMAGES, [(0, 0), (0, 0), (3, 3), (3, 3), (0, 0)], numpys)
    np.testing.assert_array_equal(as_tensor(padded(X, 3, mode)), expected)


def test_crop_height_and_pad_width():
    expected = np.pad(IMAGES[:, :, :3], [(0, 0), (0, 0), (0, 0), (0, 2), (0, 0)])
    np.testing.assert_array_equal(as_tensor(cropped_or_padded(X, 3, 8)), expected)


# Pixels used once, never and three times, with zeros in between; each pixel at most once; and all pixels in order.
@pytest.mark.parametrize("index", [[4, ZEROS, 0, 4, 2, 4], [3, 1], [[2, ZEROS], [0, ZEROS]], [0, 1, 2, 3, 4]])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_gather_and_its_gradient(index, jit_compile):
    pixels, matrix = tf.constant(RNG.normal(size=(5, 3))), np.eye(6)[np.ravel(index)][:, :5]

    @tf.function(jit_compile=jit_compile)
    def value_and_gradient(pixels):
        with tf.GradientTape() as tape:
            tape.watch(pixels)
            y = gather(pixels, np.array(index, np.int32))
        return y, tape.gradient(y, pixels, tf.sin(y))

    y, gradient = value_and_gradient(pixels)
    np.testing.assert_array_equal(y, matrix @ pixels)
    np.testing.assert_allclose(gradient, matrix.T @ np.sin(y), rtol=1e-14)  # a sum of three


def test_non_finite_values_stay_in_their_pixel():
    pixels = tf.constant([[np.nan, np.inf], [1.0, 2.0]])
    np.testing.assert_array_equal(gather(pixels, np.array([1, ZEROS, 0], np.int32)), [[1, 2], [0, 0], [np.nan, np.inf]])


def test_equal_layers_share_a_table_which_the_function_takes_as_an_argument():
    index = RNG.permutation(200).astype(np.int32)

    def two_layers(pixels):
        return gather(tf.sin(gather(pixels, index)), index.copy())

    function = CompiledFunction(two_layers, [tf.TensorSpec([200, 3])])
    pixels = RNG.normal(size=(200, 3)).astype(np.float32)
    np.testing.assert_allclose(function(tf.constant(pixels)), np.sin(pixels[index])[index], rtol=1e-6)
    (table,) = function.captures()
    np.testing.assert_array_equal(table, index)
