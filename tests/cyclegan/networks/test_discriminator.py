import numpy as np
import pytest
import tensorflow as tf

from cyclegan.config import ModelSpec
from cyclegan.networks.discriminator import discriminate
from cyclegan.networks.shapes import discriminator_shapes

RNG = np.random.default_rng(0)
SMALL = ModelSpec(discriminator_filters=20)  # enough channels for the fast algorithms


def parameters_of(config, dtype="float32"):
    return {name: tf.constant(RNG.normal(0, 0.05, shape), dtype) for name, shape in discriminator_shapes(config).items()}


def images(height, width, dtype="float32", batch=1):
    return tf.constant(RNG.uniform(-1, 1, (2, batch, height, width, 3)), dtype)


def by_reference(p, x):
    """The 70x70 PatchGAN for one direction, [B, H, W, 3], with TensorFlow's own operations only."""

    def norm(x):
        mean, variance = tf.nn.moments(x, [1, 2], keepdims=True)
        return (x - mean) / tf.sqrt(variance + 1e-5)

    def layer(x, name, stride):
        return tf.nn.conv2d(x, p[f"{name}/kernel"], stride, [[0, 0], [1, 1], [1, 1], [0, 0]])

    def leak(x):
        return tf.maximum(x, 0.2 * x)

    x = leak(layer(x, "C20", 2) + p["C20/bias"])
    for name, stride in (("C40", 2), ("C80", 2), ("C160", 1)):
        x = leak(norm(layer(x, name, stride)))
    return layer(x, "C1", 1) + p["C1/bias"]


def test_parameters_equal_the_papers():
    shapes = discriminator_shapes(ModelSpec())
    names = ["C64/kernel", "C64/bias", "C128/kernel", "C256/kernel", "C512/kernel", "C1/kernel", "C1/bias"]
    assert list(shapes) == names
    # The reference code has 2,764,737 per direction, of which 128 + 256 + 512 are biases before a norm.
    assert sum(np.prod(shape[1:]) for shape in shapes.values()) == 2_764_737 - 896


@pytest.mark.parametrize(("height", "width"), [(24, 24), (64, 64), (128, 96), (70, 78)])
def test_one_logit_per_patch(height, width):
    y = discriminate(parameters_of(SMALL), images(height, width), SMALL)
    assert y.shape == (2, 1, height // 8 - 2, width // 8 - 2, 1)


@pytest.mark.parametrize("convolution", ["auto", "plain"])
def test_equals_the_reference_network(convolution):
    p, x = parameters_of(SMALL, "float64"), images(64, 40, "float64", batch=2)
    y = discriminate(p, x, SMALL.model_copy(update={"convolution": convolution}))
    # float64 rounding through five layers.
    np.testing.assert_allclose(y, [by_reference({n: t[i] for n, t in p.items()}, x[i]) for i in range(2)], atol=1e-10)


def test_directions_are_independent():
    p, x = parameters_of(SMALL, "float64"), images(32, 32, "float64")
    y, other = discriminate(p, x, SMALL), discriminate(p, tf.stack([x[0], -x[1]]), SMALL)
    np.testing.assert_allclose(other[0], y[0], atol=1e-12)
    assert np.abs(other[1] - y[1]).max() > 0.01


def test_compiled_fast_network_and_gradients_equal_plain_in_float32():
    p, x = parameters_of(SMALL), images(64, 64)

    def value_and_gradients(convolution):
        with tf.GradientTape() as tape:
            tape.watch((p, x))
            y = discriminate(p, x, SMALL.model_copy(update={"convolution": convolution}))
        return y, *tape.gradient(y, (p, x), tf.sin(3 * y))

    fast, plain = tf.function(value_and_gradients, jit_compile=True)("auto"), value_and_gradients("plain")
    # Values within 1e-4 of the standard deviation; gradients pass twice as many layers, whose ReLUs may switch by rounding: 1e-3.
    assert np.abs(fast[0] - plain[0]).max() < 1e-4 * np.std(plain[0])
    for ours, theirs in zip(tf.nest.flatten(fast[1:]), tf.nest.flatten(plain[1:]), strict=True):
        assert np.abs(ours - theirs).max() < 1e-3 * np.std(theirs)
