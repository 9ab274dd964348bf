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


def adam(learner: Learner, vector: tf.Tensor, rate: tf.Tensor, beta1: float, beta2: float) -> None:
    """Update in place: θ ← θ - rate · m̂ / (√v̂ + ε).

    vector: `[size]` or longer, the gradient first. If any element of that, or its square, is not finite, nothing changes.
    """
    updates = learner.updates + 1

    # Cut out where it is used, a part is not copied.
    def gradient() -> tf.Tensor:
        return vector[: learner.weights.shape[0]]

    def updated() -> tuple[tf.Tensor, ...]:
        steps = tf.cast(updates, vector.dtype)
        first = beta1 * learner.first + (1 - beta1) * gradient()
        second = beta2 * learner.second + (1 - beta2) * tf.square(gradient())
        first_hat = first / (1 - tf.pow(tf.constant(beta1, vector.dtype), steps))
        second_hat = second / (1 - tf.pow(tf.constant(beta2, vector.dtype), steps))
        weights = learner.weights - tf.cast(rate, vector.dtype) * first_hat / (tf.sqrt(second_hat) + EPSILON)
        return weights, first, second, updates

    variables = learner.variables().values()
    # An infinite second moment would never decay: its weight would stand still for ever.
    finite = tf.reduce_all(tf.math.is_finite(tf.square(gradient())))
    # A condition rather than a choice by element, for which XLA would copy all three vectors.
    new = tf.cond(finite, updated, lambda: tuple(variable.read_value() for variable in variables))
    for variable, value in zip(variables, new, strict=True):
        variable.assign(value)
