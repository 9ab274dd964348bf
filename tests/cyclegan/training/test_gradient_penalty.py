"""The gradient penalty of the discriminators, whose norms have hand-written gradients, against one with TensorFlow's own operations."""

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from cyclegan.config import ModelSpec
from cyclegan.networks.discriminator import discriminate
from cyclegan.networks.flat_parameters import FlatParameters
from cyclegan.networks.shapes import discriminator_shapes
from cyclegan.training.gradient_penalty import gradient_penalty
from tests.cyclegan.reference import discriminator

SPEC = ModelSpec(discriminator_filters=4, convolution="plain")
LAYOUT = FlatParameters(discriminator_shapes(SPEC), tf.float64)
RNG = np.random.default_rng(0)


def images() -> tf.Tensor:
    return tf.constant(RNG.uniform(-1, 1, (2, 2, 32, 40, 3)))


def plain_penalty(weights: list[tf.Tensor], real: tf.Tensor, fake: tf.Tensor, mix: npt.NDArray[np.float64]) -> tf.Tensor:
    """Of one direction, image by image."""
    terms = []
    for one, other, share in zip(real, fake, mix, strict=True):
        between = share * one[None] + (1 - share) * other[None]
        with tf.GradientTape() as tape:
            tape.watch(between)
            logits = discriminator(weights, between)
        terms.append((tf.norm(tape.gradient(logits, between)) - 1) ** 2)
    return 10 * tf.add_n(terms) / len(terms)


@pytest.mark.parametrize("graph", [False, True])
def test_value_and_gradient_equal_those_of_plain_operations(graph: bool) -> None:
    real, fake, mix = images(), images(), RNG.uniform(size=(2, 2))
    flat = RNG.normal(0, 0.1, LAYOUT.size)

    def ours(parameters: dict[str, tf.Tensor]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        with tf.GradientTape() as tape:
            tape.watch(parameters)
            penalty = gradient_penalty(lambda x: discriminate(parameters, x, SPEC), real, fake, tf.constant(mix), None)
            total = tf.reduce_sum(penalty)
        return penalty, tape.gradient(total, parameters, unconnected_gradients="zero")

    penalty, gradient = (tf.function(ours) if graph else ours)(LAYOUT.split(tf.constant(flat)))
    for direction in range(2):
        weights = [tf.constant(value[direction]) for value in LAYOUT.views(flat).values()]
        with tf.GradientTape() as tape:
            tape.watch(weights)
            expected = plain_penalty(weights, real[direction], fake[direction], mix[direction])
        # The slope 0.2 of TensorFlow's leaky ReLU is float32.
        np.testing.assert_allclose(penalty[direction], expected, rtol=1e-7)
        slopes = tape.gradient(expected, weights, unconnected_gradients="zero")
        for (name, value), slope in zip(gradient.items(), slopes, strict=True):
            np.testing.assert_allclose(value[direction], slope, rtol=0, atol=1e-7 * np.abs(slope).max(), err_msg=name)


def test_a_linear_critic_is_known_by_hand() -> None:
    real, fake = images(), images()
    slope = RNG.normal(size=real.shape[2:])
    penalty = gradient_penalty(
        lambda x: tf.reduce_sum(x * slope, [2, 3, 4], keepdims=True), real, fake, tf.fill([2, 2], tf.constant(0.3, tf.float64)), None
    )
    np.testing.assert_allclose(penalty, [10 * (np.linalg.norm(slope) - 1) ** 2] * 2, rtol=1e-12)


def test_a_critic_without_slope_has_a_finite_gradient() -> None:
    factor = tf.constant(0.0)
    with tf.GradientTape() as tape:
        tape.watch(factor)
        real, fake = tf.cast(images(), tf.float32), tf.cast(images(), tf.float32)
        penalty = gradient_penalty(lambda x: tf.reduce_sum(factor * x, [2, 3, 4], keepdims=True), real, fake, tf.zeros([2, 2]), None)
    np.testing.assert_allclose(penalty, [10, 10])
    assert np.isfinite(tape.gradient(penalty, factor))


def test_surplus_channels_do_not_count() -> None:
    mask = tf.constant([[1, 1, 1], [1, 0, 0]], tf.float64)[:, None, None, None, :]
    real, fake = images() * mask, images() * mask
    slope = RNG.normal(size=real.shape[2:])
    mix = tf.fill([2, 2], tf.constant(0.3, tf.float64))
    penalty = gradient_penalty(lambda x: tf.reduce_sum(x * slope, [2, 3, 4], keepdims=True), real, fake, mix, mask)
    np.testing.assert_allclose(penalty, [10 * (np.linalg.norm(slope[..., :n]) - 1) ** 2 for n in (3, 1)], rtol=1e-12)


def test_the_mix_is_that_of_each_image() -> None:
    real, fake, seen = tf.ones([2, 2, 4, 4, 1]), tf.zeros([2, 2, 4, 4, 1]), []

    def critic(x: tf.Tensor) -> tf.Tensor:
        seen.append(x[:, :, 0, 0, 0].numpy())
        return tf.reduce_sum(x, [2, 3, 4], keepdims=True)

    gradient_penalty(critic, real, fake, tf.constant([[0.0, 0.25], [0.5, 0.75]]), None)
    np.testing.assert_array_equal(seen[0], [[0, 0.25], [0.5, 0.75]])
