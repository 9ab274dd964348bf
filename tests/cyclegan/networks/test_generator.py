import numpy as np
import pytest
import tensorflow as tf

from cyclegan.config import ModelSpec
from cyclegan.networks.generator import generate
from cyclegan.networks.shapes import generator_shapes

RNG = np.random.default_rng(0)
SMALL = ModelSpec(filters=20, blocks=1)  # enough channels for the fast algorithms


def parameters_of(config, dtype="float32"):
    return {name: tf.constant(RNG.normal(0, 0.05, shape), dtype) for name, shape in generator_shapes(config).items()}


def images(height, width, dtype="float32", batch=1):
    return tf.constant(RNG.uniform(-1, 1, (2, batch, height, width, 3)), dtype)


def by_paper(p, x):
    """G of section 7.2 for one direction, [B, H, W, 3], with TensorFlow's own operations only."""

    def norm(x):
        mean, variance = tf.nn.moments(x, [1, 2], keepdims=True)
        return (x - mean) / tf.sqrt(variance + 1e-5)

    def pad(x, width, mode):
        return tf.pad(x, [[0, 0], [width, width], [width, width], [0, 0]], mode)

    def up(x, w):
        full = tf.nn.conv2d_transpose(
            x, tf.transpose(w, (0, 1, 3, 2)), [len(x), 2 * x.shape[1] + 1, 2 * x.shape[2] + 1, w.shape[-1]], 2, "VALID"
        )
        return full[:, 1:, 1:]

    x = tf.nn.relu(norm(tf.nn.conv2d(pad(x, 3, "REFLECT"), p["c7s1-20/kernel"], 1, "VALID")))
    x = tf.nn.relu(norm(tf.nn.conv2d(pad(x, 1, "CONSTANT"), p["d40/kernel"], 2, "VALID")))
    x = tf.nn.relu(norm(tf.nn.conv2d(pad(x, 1, "CONSTANT"), p["d80/kernel"], 2, "VALID")))
    y = tf.nn.relu(norm(tf.nn.conv2d(pad(x, 1, "REFLECT"), p["R80.0/kernel1"], 1, "VALID")))
    x = x + norm(tf.nn.conv2d(pad(y, 1, "REFLECT"), p["R80.0/kernel2"], 1, "VALID"))
    x = tf.nn.relu(norm(up(x, p["u40/kernel"])))
    x = tf.nn.relu(norm(up(x, p["u20/kernel"])))
    return tf.tanh(tf.nn.conv2d(pad(x, 3, "REFLECT"), p["c7s1-3/kernel"], 1, "VALID") + p["c7s1-3/bias"])


def test_parameters_equal_the_papers_with_nine_blocks():
    shapes = generator_shapes(ModelSpec())
    assert list(shapes)[:4] == ["c7s1-64/kernel", "d128/kernel", "d256/kernel", "R256.0/kernel1"]
    assert list(shapes)[-4:] == ["u128/kernel", "u64/kernel", "c7s1-3/kernel", "c7s1-3/bias"]
    # The reference code has 11,378,179 per direction, of which 64 + 128 + 256 + 18 * 256 + 128 + 64 are biases before a norm.
    assert sum(np.prod(shape[1:]) for shape in shapes.values()) == 11_378_179 - 5_248
    assert all(shape[0] == 2 for shape in shapes.values())


def test_layer_names_are_distinct_when_images_have_as_many_channels_as_filters():
    config = ModelSpec(channels_a=8, filters=8)
    assert len(generator_shapes(config)) == len(generator_shapes(ModelSpec(filters=8)))
    x = tf.zeros([2, 1, 8, 8, 8])
    assert generate(parameters_of(config), x, config).shape == x.shape


@pytest.mark.parametrize("convolution", ["auto", "plain"])
def test_equals_the_network_of_the_paper(convolution):
    p, x = parameters_of(SMALL, "float64"), images(24, 36, "float64", batch=2)
    y = generate(p, x, SMALL.model_copy(update={"convolution": convolution}))
    # float64 rounding through eight layers.
    np.testing.assert_allclose(y, [by_paper({n: t[i] for n, t in p.items()}, x[i]) for i in range(2)], atol=1e-10)


def test_directions_are_independent():
    p, x = parameters_of(SMALL, "float64"), images(16, 16, "float64")
    swapped = generate({name: tensor[::-1] for name, tensor in p.items()}, x[::-1], SMALL)
    other = generate(p, tf.stack([x[0], -x[1]]), SMALL)
    y = generate(p, x, SMALL)
    np.testing.assert_allclose(swapped[::-1], y, atol=1e-12)
    np.testing.assert_allclose(other[0], y[0], atol=1e-12)
    assert np.abs(other[1] - y[1]).max() > 0.01


def test_compiled_fast_network_and_gradients_equal_plain_in_float32():
    p, x = parameters_of(SMALL), images(32, 40)

    def value_and_gradients(convolution):
        with tf.GradientTape() as tape:
            tape.watch(p)
            y = generate(p, x, SMALL.model_copy(update={"convolution": convolution}))
        return y, tape.gradient(y, p, tf.sin(3 * y))

    fast, plain = tf.function(value_and_gradients, jit_compile=True)("auto"), value_and_gradients("plain")
    # Values within 1e-4 of the standard deviation; gradients pass twice as many layers, whose ReLUs may switch by rounding: 1e-3.
    assert np.abs(fast[0] - plain[0]).max() < 1e-4 * np.std(plain[0])
    for name in p:
        assert np.abs(fast[1][name] - plain[1][name]).max() < 1e-3 * np.std(plain[1][name]), name
