"""Adam (arXiv 1412.6980, algorithm 1) on a flat vector, as one fused update that drops non-finite gradients."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

EPSILON = 1e-8


@dataclass(frozen=True)
class Learner:
    """Weights of a pair of networks with their moments: variables `[size]`, and the number of updates made (int32)."""

    weights: tf.Variable
    first: tf.Variable
    second: tf.Variable
    updates: tf.Variable

    def variables(self) -> dict[str, tf.Variable]:
        """All of it by name."""
        return {"weights": self.weights, "first": self.first, "second": self.second, "updates": self.updates}


def make_learner(size: int, dtype: tf.DType) -> Learner:
    """Zeros; values come after all units are compiled (DESIGN, XLA)."""
    weights, first, second = (tf.Variable(tf.zeros([size], dtype)) for _ in range(3))
    return Learner(weights, first, second, tf.Variable(np.int32(0)))


def adam(learner: Learner, gradient: tf.Tensor, rate: tf.Tensor, beta1: float, beta2: float) -> None:
    """Update in place: θ ← θ - rate · m̂ / (√v̂ + ε).

    gradient: `[size]`. If any element of it, or its square, is not finite, nothing changes.
    """
    square = tf.square(gradient)
    # An infinite second moment would never decay: its weight would stand still for ever.
    finite = tf.reduce_all(tf.math.is_finite(square))
    updates = learner.updates + 1
    steps = tf.cast(updates, gradient.dtype)
    first = beta1 * learner.first + (1 - beta1) * gradient
    second = beta2 * learner.second + (1 - beta2) * square
    first_hat = first / (1 - tf.pow(tf.constant(beta1, gradient.dtype), steps))
    second_hat = second / (1 - tf.pow(tf.constant(beta2, gradient.dtype), steps))
    weights = learner.weights - tf.cast(rate, gradient.dtype) * first_hat / (tf.sqrt(second_hat) + EPSILON)
    new = Learner(weights, first, second, updates).variables()
    for name, variable in learner.variables().items():
        variable.assign(tf.where(finite, new[name], variable))
