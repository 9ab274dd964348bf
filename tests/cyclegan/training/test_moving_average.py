"""The moving average of the generators' weights against NumPy, and beside Adam."""

import numpy as np
import pytest
import tensorflow as tf

from cyclegan.config import ModelSpec, TrainConfig
from cyclegan.training.compiled_function import CompiledFunction
from cyclegan.training.moving_average import update_average
from cyclegan.training.passes import make_passes
from cyclegan.training.state import TrainingState, make_state

MODEL = ModelSpec(filters=4, blocks=1, discriminator_filters=4)
NAN = float("nan")


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.999])
def test_follows_the_formula(decay: float) -> None:
    random = np.random.default_rng(0)
    average = tf.Variable(random.normal(size=5))
    expected = average.numpy()

    def update(weights: tf.Tensor, updates: tf.Tensor) -> None:
        update_average(average, weights, updates, tf.constant(True), decay)

    program = CompiledFunction(update, [tf.TensorSpec([5], tf.float64), tf.TensorSpec([], tf.int32)])
    for number in range(1, 40):
        weights = random.normal(size=5)
        program(tf.constant(weights), tf.constant(number))
        d = min(decay, (1 + number) / (10 + number))
        expected = d * expected + (1 - d) * weights
    np.testing.assert_allclose(average, expected, rtol=1e-12)


def trained(ema: float, vectors: list[float]) -> TrainingState:
    """A state after updates of the generators by constant gradients."""
    train = TrainConfig(ema=ema, pool_size=1)
    state = make_state(MODEL, train, (16, 16))
    update = make_passes(state, MODEL, train).update_generators
    state.assign_initial(0)
    for value in vectors:
        update(tf.fill(update.signature[0].shape, value), tf.constant(1e-3))
    return state


def test_training_does_not_depend_on_it() -> None:
    with_average, without = trained(0.9, [1.0, -2.0, 3.0]), trained(0.0, [1.0, -2.0, 3.0])
    assert without.average is None
    assert "generators.average" not in without.variables()
    for name, variable in without.variables().items():
        np.testing.assert_array_equal(variable, with_average.variables()[name], err_msg=name)
    assert not np.array_equal(with_average.average, with_average.generators.weights)


def test_a_dropped_update_changes_nothing() -> None:
    before, after = trained(0.9, [1.0]), trained(0.9, [1.0, NAN])
    np.testing.assert_array_equal(after.average, before.average)
