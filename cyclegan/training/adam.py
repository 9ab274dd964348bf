"""Adam (arXiv 1412.6980, algorithm 1) on a flat vector, as one fused update that skips non-finite gradients."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

EPSILON = 1e-8


@dataclass(frozen=True)
class AdamState:
    """Weights of a pair of networks, their first and second moments m and v: variables `[size]`; and the number of updates (int64)."""

    weights: tf.Variable
    m: tf.Variable
    v: tf.Variable
    updates: tf.Variable

    def variables(self) -> dict[str, tf.Variable]:
        """All variables, by the names that checkpoints use."""
        return {"weights": self.weights, "first": self.m, "second": self.v, "updates": self.updates}


def make_adam_state(size: int, dtype: tf.DType) -> AdamState:
    """All zeros: values are assigned after everything is compiled, as compiling runs each function once.

    The count is an int64, as TensorFlow keeps int32 variables in the host's memory, where programs of a GPU cannot use them.
    """
    weights, m, v = (tf.Variable(tf.zeros([size], dtype)) for _ in range(3))
    return AdamState(weights, m, v, tf.Variable(np.int64(0)))


def adam_update(state: AdamState, vector: tf.Tensor, rate: tf.Tensor, beta1: float, beta2: float) -> tf.Tensor:
    """Update in place: θ ← θ - rate · m̂ / (√v̂ + ε).

    vector: `[size]` or longer, the gradient first. If any element of the gradient, or its square, is not finite, nothing changes.
    Returns whether it was finite.
    """
    updates = state.updates + 1

    # Sliced where it is used, the gradient is not copied.
    def gradient() -> tf.Tensor:
        return vector[: state.weights.shape[0]]

    def updated() -> tuple[tf.Tensor, ...]:
        steps = tf.cast(updates, vector.dtype)
        m = beta1 * state.m + (1 - beta1) * gradient()
        v = beta2 * state.v + (1 - beta2) * tf.square(gradient())
        m_hat = m / (1 - tf.pow(tf.constant(beta1, vector.dtype), steps))
        v_hat = v / (1 - tf.pow(tf.constant(beta2, vector.dtype), steps))
        weights = state.weights - tf.cast(rate, vector.dtype) * m_hat / (tf.sqrt(v_hat) + EPSILON)
        return weights, m, v, updates

    variables = state.variables().values()
    # An infinite second moment would never decay, and its weight never change again.
    finite = tf.reduce_all(tf.math.is_finite(tf.square(gradient())))
    # A condition, as XLA would copy all three vectors for an element-wise choice.
    new = tf.cond(finite, updated, lambda: tuple(variable.read_value() for variable in variables))
    for variable, value in zip(variables, new, strict=True):
        variable.assign(value)
    return finite
