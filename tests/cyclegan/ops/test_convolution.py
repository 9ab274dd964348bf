"""Every algorithm of every layer against the definition of convolution: values and both gradients."""

from functools import partial

import numpy as np
import pytest
import tensorflow as tf

from cyclegan.ops.convolution import FAST, FEW_INPUTS, cheapest_tile, conv2d, conv2d_doubled, conv2d_transpose

RNG = np.random.default_rng(0)
MANY = FEW_INPUTS + 2
# (kernel, stride, C, K) for each way that an entry of FAST has.
LAYERS = [
    (3, 1, MANY, MANY + 1),
    (3, 1, 3, 2),
    (3, 2, MANY, MANY + 1),
    (4, 1, MANY, MANY + 1),
    (4, 1, MANY, 2),
    (4, 2, 3, MANY),
    (4, 2, MANY, MANY + 1),
    (7, 1, 3, MANY),
    (7, 1, MANY, 2),
]
# Sides beyond the kernel's: few pixels, several full tiles, and remainders that differ between height and width, at stride 2 too.
SIZES = [(0, 1), (7, 7), (9, 14), (15, 15), (19, 29)]


def by_definition(x, w, stride):
    k = w.shape[1]
    y = np.zeros((2, x.shape[1], (x.shape[2] - k) // stride + 1, (x.shape[3] - k) // stride + 1, w.shape[-1]))
    for direction, image, i, j in np.ndindex(y.shape[:4]):
        patch = x[direction, image, i * stride : i * stride + k, j * stride : j * stride + k]
        y[direction, image, i, j] = np.einsum("ijc,ijck->k", patch, w[direction])
    return y


def transposed_by_definition(x, w):
    _, batch, height, width, _ = x.shape
    y = np.zeros((2, batch, 2 * height, 2 * width, w.shape[-1]))
    for direction, image, i, j, a, b in np.ndindex(2, batch, height, width, *w.shape[1:3]):
        top, left = 2 * i + a - 1, 2 * j + b - 1
        if 0 <= top < 2 * height and 0 <= left < 2 * width:
            y[direction, image, top, left] += x[direction, image, i, j] @ w[direction, a, b]
    return y


def value_and_gradients(function, x, w):
    """The result y, and the gradients of half the sum of its squares with respect to x and w."""
    with tf.GradientTape() as tape:
        tape.watch((x, w))
        y = function(x, w)
    return y, *tape.gradient(y, (x, w), y)


def tensors(shape_x, shape_w, dtype="float64"):
    return tf.constant(RNG.normal(size=shape_x), dtype), tf.constant(RNG.normal(size=shape_w), dtype)


def assert_same(ours, theirs, tolerance):
    for our, their in zip(ours, theirs, strict=True):
        assert our.shape == their.shape
        assert np.abs(our - their).max() < tolerance * np.std(their)


def test_all_fast_layers_are_tested():
    assert {(k, stride) for k, stride, *_ in LAYERS} == set(FAST)


@pytest.mark.parametrize(("k", "stride"), [(3, 1), (3, 2), (4, 2), (7, 1)])
def test_plain_equals_the_definition(k, stride):
    x, w = tensors((2, 2, 9, 10, 3), (2, k, k, 3, 4))
    np.testing.assert_allclose(conv2d(x, w, stride=stride, convolution="plain"), by_definition(x.numpy(), w.numpy(), stride), atol=1e-12)


@pytest.mark.parametrize("k", [3, 4])
def test_plain_transpose_equals_the_definition(k):
    x, w = tensors((2, 2, 4, 5, 3), (2, k, k, 3, 4))
    np.testing.assert_allclose(conv2d_transpose(x, w, convolution="plain"), transposed_by_definition(x.numpy(), w.numpy()), atol=1e-12)


# 1e-10 of the standard deviation: float64 rounding, times the largest elements of the transforms, in sums of thousands of products.
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("k", "stride", "c", "channels"), LAYERS)
def test_fast_equals_plain_in_float64(k, stride, c, channels, size, batch):
    x, w = tensors((2, batch, k + size[0], k + size[1], c), (2, k, k, c, channels))
    fast, plain = (partial(conv2d, stride=stride, convolution=convolution) for convolution in ("auto", "plain"))
    assert_same(value_and_gradients(fast, x, w), value_and_gradients(plain, x, w), 1e-10)


@pytest.mark.parametrize(("k", "stride", "c", "channels"), LAYERS)
def test_a_single_direction_is_its_half_of_both(k, stride, c, channels):
    x, w = tensors((2, 2, 9, 10, c), (2, k, k, c, channels))
    np.testing.assert_allclose(conv2d(x[1:], w[1:], stride=stride), conv2d(x, w, stride=stride)[1:], atol=1e-12)


@pytest.mark.parametrize("k", [3, 4])
def test_a_single_direction_is_its_half_of_both_transposed(k):
    x, w = tensors((2, 2, 4, 5, 3), (2, k, k, 3, 4))
    np.testing.assert_allclose(conv2d_transpose(x[1:], w[1:]), conv2d_transpose(x, w)[1:], atol=1e-12)


@pytest.mark.parametrize("mode", ["zero", "reflect"])
@pytest.mark.parametrize(("k", "stride", "c", "channels"), LAYERS)
def test_padded_fast_equals_padded_plain(k, stride, c, channels, mode):
    x, w = tensors((2, 2, 9, 10, c), (2, k, k, c, channels))
    fast, plain = (partial(conv2d, stride=stride, pad=k // 2, mode=mode, convolution=convolution) for convolution in ("auto", "plain"))
    assert_same(value_and_gradients(fast, x, w), value_and_gradients(plain, x, w), 1e-10)


@pytest.mark.parametrize("mode", ["zero", "reflect"])
def test_padding_of_plain_convolutions(mode):
    x, w = tensors((2, 2, 5, 6, 3), (2, 3, 3, 3, 4))
    around = np.pad(x, [(0, 0), (0, 0), (2, 2), (2, 2), (0, 0)], "reflect" if mode == "reflect" else "constant")
    np.testing.assert_allclose(conv2d(x, w, pad=2, mode=mode, convolution="plain"), by_definition(around, w.numpy(), 1), atol=1e-12)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("size", [(1, 1), (1, 2), (4, 4), (5, 7), (9, 13)])
@pytest.mark.parametrize(("k", "channels"), [(3, 4), (4, 4), (4, 5)])  # a kernel of side 4 has another algorithm for few channels
def test_fast_transpose_equals_plain_in_float64(k, channels, size, batch):
    x, w = tensors((2, batch, *size, 5), (2, k, k, 5, channels))
    plain = partial(conv2d_transpose, convolution="plain")
    assert_same(value_and_gradients(conv2d_transpose, x, w), value_and_gradients(plain, x, w), 1e-10)


# 1e-4 of the standard deviation: several times the float32 error of a tile (test_cook_toom), far below the noise of training.
@pytest.mark.parametrize(("k", "stride", "c", "channels"), LAYERS)
def test_compiled_fast_equals_plain_in_float32(k, stride, c, channels):
    x, w = tensors((2, 1, k + 11, k + 14, c), (2, k, k, c, channels), "float32")
    fast = tf.function(lambda x, w: value_and_gradients(lambda x, w: conv2d(x, w, stride=stride), x, w), jit_compile=True)
    assert_same(fast(x, w), value_and_gradients(lambda x, w: conv2d(x, w, stride=stride, convolution="plain"), x, w), 1e-4)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 1e-4)])
def test_larger_tiles_of_a_larger_image_equal_plain(dtype, tolerance):
    x, w = tensors((2, 1, 56, 67, MANY), (2, 3, 3, MANY, MANY), dtype)
    assert cheapest_tile(1, 54, 65, 3, (4, 6)) == 6
    fast = tf.function(lambda x, w: value_and_gradients(conv2d, x, w), jit_compile=True)
    assert_same(fast(x, w), value_and_gradients(partial(conv2d, convolution="plain"), x, w), tolerance)


# By the sides of the result: a remainder of the image, and a kernel for few tiles, can cost more than larger tiles save.
@pytest.mark.parametrize(
    ("images", "side", "tile"), [(1, 16, 4), (1, 32, 4), (8, 32, 4), (2, 48, 6), (1, 64, 6), (1, 52, 4), (8, 20, 4), (8, 24, 6)]
)
def test_the_tile_that_costs_least(images, side, tile):
    assert cheapest_tile(images, side, side, 3, (4, 6)) == tile


# Tiles of 4x4 amplify the rounding error of bfloat16 (2⁻⁹) by 5 to 10; measured for 256 channels in docs/speed.md.
@pytest.mark.parametrize(("k", "stride", "c", "channels"), LAYERS)
def test_bfloat16_is_close(k, stride, c, channels):
    x, w = tensors((2, 1, k + 11, k + 14, c), (2, k, k, c, channels), "float32")
    rounded, plain = partial(conv2d, stride=stride, precision="bfloat16"), partial(conv2d, stride=stride, convolution="plain")
    compiled = tf.function(lambda x, w: value_and_gradients(rounded, x, w), jit_compile=True)
    for ours, theirs in zip(compiled(x, w), value_and_gradients(plain, x, w), strict=True):
        assert ours.dtype == tf.float32
        assert np.std(ours - theirs) < 0.03 * np.std(theirs)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("size", [(1, 2), (4, 4), (5, 7)])
def test_doubling_repeats_pixels_and_convolves(size, batch):
    x, w = tensors((2, batch, *size, 5), (2, 3, 3, 5, 4))
    y = x.numpy().repeat(2, 2).repeat(2, 3)
    y = np.pad(y, [(0, 0), (0, 0), (1, 1), (1, 1), (0, 0)], "reflect")
    plain = partial(conv2d_doubled, convolution="plain")
    np.testing.assert_allclose(plain(x, w), by_definition(y, w.numpy(), 1), atol=1e-12)
    assert_same(value_and_gradients(conv2d_doubled, x, w), value_and_gradients(plain, x, w), 1e-10)


@pytest.mark.parametrize("k", [3, 4])
def test_compiled_fast_transpose_equals_plain_in_float32(k):
    x, w = tensors((2, 1, 9, 10, 20), (2, k, k, 20, 12), "float32")
    fast = tf.function(lambda x, w: value_and_gradients(conv2d_transpose, x, w), jit_compile=True)
    assert_same(fast(x, w), value_and_gradients(lambda x, w: conv2d_transpose(x, w, convolution="plain"), x, w), 1e-4)


def test_layers_outside_fast_are_plain():
    x, w = tensors((2, 1, 9, 9, 4), (2, 5, 5, 4, 4))
    np.testing.assert_array_equal(conv2d(x, w), conv2d(x, w, convolution="plain"))
