"""Adam on a flat vector against NumPy, and its handling of non-finite gradients."""

import numpy as np
import pytest
import tensorflow as tf

from cyclegan.training.adam import AdamState, adam_update, make_adam_state
from cyclegan.training.compiled_function import CompiledFunction

SIZE = 37


def compiled(state: AdamState, beta1: float, beta2: float, tail: int = 0) -> CompiledFunction:
    def update(vector: tf.Tensor, rate: tf.Tensor) -> None:
        adam_update(state, vector, rate, beta1, beta2)

    return CompiledFunction(update, [tf.TensorSpec([SIZE + tail], state.weights.dtype), tf.TensorSpec([])])


# float32: twenty steps, each with at most one rounding of a weight near 1, and of the rate. float64: the rate is still float32.
@pytest.mark.parametrize(("dtype", "tolerance"), [(tf.float32, 5e-6), (tf.float64, 1e-12)])
@pytest.mark.parametrize(("beta1", "beta2"), [(0.5, 0.999), (0.0, 0.9)])
def test_updates_equal_the_papers(dtype: tf.DType, tolerance: float, beta1: float, beta2: float) -> None:
    random = np.random.default_rng(0)
    state = make_adam_state(SIZE, dtype)
    weights = random.normal(size=SIZE)
    state.weights.assign(weights)
    update = compiled(state, beta1, beta2)
    m, v = np.zeros(SIZE), np.zeros(SIZE)
    for t in range(1, 21):
        # Scales differ by six orders of magnitude: Adam's step does not depend on them.
        gradient = random.normal(size=SIZE) * np.logspace(-5, 1, SIZE)
        rate = np.float32(2e-3 / t)
        update(tf.constant(gradient, dtype), tf.constant(rate))
        m = beta1 * m + (1 - beta1) * gradient
        v = beta2 * v + (1 - beta2) * gradient**2
        weights = weights - float(rate) * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + 1e-8)
    assert state.updates.numpy() == 20
    np.testing.assert_allclose(state.weights, weights, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(state.m, m, rtol=20 * tolerance, atol=tolerance * np.abs(m).max())
    np.testing.assert_allclose(state.v, v, rtol=20 * tolerance)


def test_first_step_is_the_rate_times_the_opposite_sign() -> None:
    state = make_adam_state(SIZE, tf.float64)
    gradient = np.linspace(-3, 3, SIZE) + 0.01
    compiled(state, 0.5, 0.999)(tf.constant(gradient), tf.constant(0.25))
    # ε = 1e-8 against gradients of at least 0.01.
    np.testing.assert_allclose(state.weights, -0.25 * np.sign(gradient), rtol=2e-6)


def test_elements_after_the_gradient_are_ignored() -> None:
    gradient = np.linspace(-1, 1, SIZE, dtype=np.float32)
    states = make_adam_state(SIZE, tf.float32), make_adam_state(SIZE, tf.float32)
    for state, tail in zip(states, ([], [np.nan, 3.0]), strict=True):
        compiled(state, 0.5, 0.999, len(tail))(tf.constant([*gradient, *tail], tf.float32), tf.constant(1e-3))
    for alone, followed in zip(*(state.variables().values() for state in states), strict=True):
        np.testing.assert_array_equal(alone, followed)
    assert states[1].updates.numpy() == 1


# 1e20 is finite in float32, but its square is not: it would stay in the second moment forever and freeze the weight.
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e20])
def test_a_non_finite_gradient_changes_nothing(bad: float) -> None:
    state = make_adam_state(SIZE, tf.float32)
    update = compiled(state, 0.5, 0.999)
    good = np.linspace(-1, 1, SIZE, dtype=np.float32)
    update(tf.constant(good), tf.constant(1e-3))
    before = {name: variable.numpy() for name, variable in state.variables().items()}
    gradient = good.copy()
    gradient[5] = bad
    update(tf.constant(gradient), tf.constant(1e-3))
    for name, variable in state.variables().items():
        np.testing.assert_array_equal(variable.numpy(), before[name], err_msg=name)
    update(tf.constant(good), tf.constant(1e-3))
    assert state.updates.numpy() == 2
    assert not np.array_equal(state.weights, before["weights"])
