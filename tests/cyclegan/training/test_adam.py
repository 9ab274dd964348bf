"""Adam on a flat vector against NumPy, and what it does with gradients that are not finite."""

import numpy as np
import pytest
import tensorflow as tf

from cyclegan.training.adam import Learner, adam, make_learner
from cyclegan.training.compiled_function import CompiledFunction

SIZE = 37


def compiled(learner: Learner, beta1: float, beta2: float, tail: int = 0) -> CompiledFunction:
    def update(vector: tf.Tensor, rate: tf.Tensor) -> None:
        adam(learner, vector, rate, beta1, beta2)

    return CompiledFunction(update, [tf.TensorSpec([SIZE + tail], learner.weights.dtype), tf.TensorSpec([])])


# float32: twenty steps of at most one rounding of a weight near 1 each, and of the rate itself; float64: the rate is float32.
@pytest.mark.parametrize(("dtype", "tolerance"), [(tf.float32, 5e-6), (tf.float64, 1e-12)])
@pytest.mark.parametrize(("beta1", "beta2"), [(0.5, 0.999), (0.0, 0.9)])
def test_updates_are_those_of_the_paper(dtype: tf.DType, tolerance: float, beta1: float, beta2: float) -> None:
    random = np.random.default_rng(0)
    learner = make_learner(SIZE, dtype)
    weights = random.normal(size=SIZE)
    learner.weights.assign(weights)
    update = compiled(learner, beta1, beta2)
    first, second = np.zeros(SIZE), np.zeros(SIZE)
    for t in range(1, 21):
        # Scales apart by six orders: Adam's step does not depend on them.
        gradient = random.normal(size=SIZE) * np.logspace(-5, 1, SIZE)
        rate = np.float32(2e-3 / t)
        update(tf.constant(gradient, dtype), tf.constant(rate))
        first = beta1 * first + (1 - beta1) * gradient
        second = beta2 * second + (1 - beta2) * gradient**2
        weights = weights - float(rate) * (first / (1 - beta1**t)) / (np.sqrt(second / (1 - beta2**t)) + 1e-8)
    assert learner.updates.numpy() == 20
    np.testing.assert_allclose(learner.weights, weights, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(learner.first, first, rtol=20 * tolerance, atol=tolerance * np.abs(first).max())
    np.testing.assert_allclose(learner.second, second, rtol=20 * tolerance)


def test_first_step_is_the_rate_against_the_sign() -> None:
    learner = make_learner(SIZE, tf.float64)
    gradient = np.linspace(-3, 3, SIZE) + 0.01
    compiled(learner, 0.5, 0.999)(tf.constant(gradient), tf.constant(0.25))
    # ε = 1e-8 beside gradients of at least 0.01.
    np.testing.assert_allclose(learner.weights, -0.25 * np.sign(gradient), rtol=2e-6)


def test_what_rides_behind_the_gradient_does_not_count() -> None:
    gradient = np.linspace(-1, 1, SIZE, dtype=np.float32)
    learners = make_learner(SIZE, tf.float32), make_learner(SIZE, tf.float32)
    for learner, tail in zip(learners, ([], [np.nan, 3.0]), strict=True):
        compiled(learner, 0.5, 0.999, len(tail))(tf.constant([*gradient, *tail], tf.float32), tf.constant(1e-3))
    for alone, followed in zip(*(learner.variables().values() for learner in learners), strict=True):
        np.testing.assert_array_equal(alone, followed)
    assert learners[1].updates.numpy() == 1


# 1e20 is finite in float32, but its square is not: it would stay in the second moment for ever and stop the weight.
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e20])
def test_a_gradient_that_is_not_finite_changes_nothing(bad: float) -> None:
    learner = make_learner(SIZE, tf.float32)
    update = compiled(learner, 0.5, 0.999)
    good = np.linspace(-1, 1, SIZE, dtype=np.float32)
    update(tf.constant(good), tf.constant(1e-3))
    before = {name: variable.numpy() for name, variable in learner.variables().items()}
    gradient = good.copy()
    gradient[5] = bad
    update(tf.constant(gradient), tf.constant(1e-3))
    for name, variable in learner.variables().items():
        np.testing.assert_array_equal(variable.numpy(), before[name], err_msg=name)
    update(tf.constant(good), tf.constant(1e-3))
    assert learner.updates.numpy() == 2
    assert not np.array_equal(learner.weights, before["weights"])
