"""A boundary that XLA does not fuse across."""

from collections.abc import Callable

import tensorflow as tf


def apart(function: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor) -> tf.Tensor:
    """function(x), of a linear `function`, as a computation of its own.

    Moves of data, fused or folded into the product that takes them, are done element by element, in twice their time and more. Barriers do
    not help, as XLA removes them before it fuses; a condition that it cannot foresee does. Either way the result is the same.
    """
    return tf.cond(tf.math.is_finite(tf.reshape(x, [-1])[0]), lambda: function(x), lambda: -function(-x))
