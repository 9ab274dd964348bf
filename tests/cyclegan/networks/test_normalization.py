import numpy as np
import pytest
import tensorflow as tf

from cyclegan.networks.normalization import instance_norm

RNG = np.random.default_rng(0)


def by_formula(x, slope):
    mean, variance = tf.nn.moments(x, [2, 3], keepdims=True)
    normal = (x - mean) / tf.sqrt(variance + 1e-5)
    return normal if slope is None else tf.where(normal > 0, normal, slope * normal)


def value_and_gradient(norm, x, dy):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = norm(x)
    return y, tape.gradient(y, x, dy)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("slope", [None, 0.0, 0.2])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])  # rounding of sums of 63 numbers
def test_equals_the_formula_and_its_gradient(slope, dtype, tolerance, compiled):
    x = tf.constant(RNG.normal(3.0, 2.0, (2, 2, 9, 7, 5)), dtype)
    dy = tf.constant(RNG.normal(size=x.shape), dtype)
    function = tf.function(value_and_gradient, jit_compile=compiled)
    for ours, theirs in zip(
        function(lambda x: instance_norm(x, slope), x, dy), value_and_gradient(lambda x: by_formula(x, slope), x, dy), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)


@pytest.mark.parametrize("slope", [None, 0.0, 0.2])
def test_constant_image_stays_finite(slope):
    x = tf.fill([2, 1, 8, 8, 3], 0.1)
    y, dx = value_and_gradient(lambda x: instance_norm(x, slope), x, tf.ones_like(x))
    # With variance 0, the rounding error of the mean, at most 1e-7, is divided by sqrt(1e-5).
    np.testing.assert_allclose(y, 0.0, atol=1e-4)
    assert np.isfinite(dx).all()


def test_images_are_independent():
    x = tf.constant(RNG.normal(size=(2, 2, 6, 6, 3)))
    y = instance_norm(x, 0.0)
    np.testing.assert_allclose(instance_norm(x[:, 1:], 0.0), y[:, 1:], atol=1e-14)
