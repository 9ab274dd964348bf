import numpy as np
import pytest
import tensorflow as tf

from cyclegan.ops.lazy_gather import ZEROS, Mode, depth_to_space, gather, image, padded, pixels, resized, space_to_depth
from cyclegan.training.compiled_function import CompiledFunction

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(2, 2, 4, 6, 3))
X = pixels(tf.constant(IMAGES))


def test_pixels_are_the_image():
    np.testing.assert_array_equal(image(X), IMAGES)


@pytest.mark.parametrize(("mode", "numpys"), [("zero", "constant"), ("reflect", "reflect")])
def test_padding(mode: Mode, numpys):
    expected = np.pad(IMAGES, [(0, 0), (0, 0), (3, 3), (3, 3), (0, 0)], numpys)
    np.testing.assert_array_equal(image(padded(X, 3, mode)), expected)


def test_cut_and_filled_with_zeros():
    expected = np.pad(IMAGES[:, :, :3], [(0, 0), (0, 0), (0, 0), (0, 2), (0, 0)])
    np.testing.assert_array_equal(image(resized(X, 3, 8)), expected)


def test_blocks_become_channels_row_by_row():
    blocks = image(space_to_depth(X, 2)).numpy()
    assert blocks.shape == (2, 2, 2, 3, 12)
    np.testing.assert_array_equal(blocks[1, 0, 1, 2].reshape(2, 2, 3), IMAGES[1, 0, 2:4, 4:6])


def test_channels_become_blocks_again_zeros_too():
    filled = resized(X, 4, 8)
    blocks = image(space_to_depth(filled, 2))
    np.testing.assert_array_equal(image(depth_to_space(pixels(blocks), 2)), image(filled))
    np.testing.assert_array_equal(image(depth_to_space(resized(pixels(blocks), 2, 5), 2))[:, :, :, 8:], 0)


# Rows used once, never and three times, zeros in between; and each row at most once, or exactly as they are.
@pytest.mark.parametrize("index", [[4, ZEROS, 0, 4, 2, 4], [3, 1], [[2, ZEROS], [0, ZEROS]], [0, 1, 2, 3, 4]])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_gather_and_its_gradient(index, jit_compile):
    rows, matrix = tf.constant(RNG.normal(size=(5, 3))), np.eye(6)[np.ravel(index)][:, :5]

    @tf.function(jit_compile=jit_compile)
    def value_and_gradient(rows):
        with tf.GradientTape() as tape:
            tape.watch(rows)
            y = gather(rows, np.array(index, np.int32))
        return y, tape.gradient(y, rows, tf.sin(y))

    y, gradient = value_and_gradient(rows)
    np.testing.assert_array_equal(y, matrix @ rows)
    np.testing.assert_allclose(gradient, matrix.T @ np.sin(y), rtol=1e-14)  # a sum of three


def test_what_is_not_finite_stays_in_its_row():
    rows = tf.constant([[np.nan, np.inf], [1.0, 2.0]])
    np.testing.assert_array_equal(gather(rows, np.array([1, ZEROS, 0], np.int32)), [[1, 2], [0, 0], [np.nan, np.inf]])


def test_layers_alike_share_a_table_which_is_an_argument_of_the_program():
    index = RNG.permutation(200).astype(np.int32)

    def two_layers(rows):
        return gather(tf.sin(gather(rows, index)), index.copy())

    program = CompiledFunction(two_layers, [tf.TensorSpec([200, 3])])
    rows = RNG.normal(size=(200, 3)).astype(np.float32)
    np.testing.assert_allclose(program(tf.constant(rows)), np.sin(rows[index])[index], rtol=1e-6)
    (table,) = program.captures()
    np.testing.assert_array_equal(table, index)
