"""A boundary that XLA does not fuse across."""

from collections.abc import Callable
from functools import cache
from typing import Any

import tensorflow as tf

Linear = Callable[..., tf.Tensor]


def apart(function: Linear, x: tf.Tensor, *others: tf.Tensor) -> tf.Tensor:
    """function(x, *others), linear in x and the same function object for the same work, as a computation of its own.

    Moves of data, fused or folded into the product that takes them, are done element by element, in twice their time and more. Barriers do
    not help, as XLA removes them before it fuses; a condition that it cannot foresee does. Either way the result is the same.
    """
    as_it_is, negated = _branches(function, tuple(tf.TensorSpec(t.shape, t.dtype) for t in (x, *others)))
    unforeseen = tf.math.is_finite(tf.reshape(x, [-1])[0])
    (result,) = tf.raw_ops.StatelessIf(
        cond=unforeseen, input=(x, *others), Tout=[as_it_is.output_dtypes], then_branch=as_it_is, else_branch=negated
    )
    result.set_shape(as_it_is.output_shapes)
    return result


@cache
def _branches(function: Linear, signature: tuple[tf.TensorSpec, ...]) -> tuple[Any, Any]:
    """The two of a condition, traced once for all layers alike, which saves a fifth of the time to trace, compile and load a generator."""

    def negated(x: tf.Tensor, *others: tf.Tensor) -> tf.Tensor:
        return -function(-x, *others)

    with tf.init_scope():
        return tuple(
            tf.function(branch, input_signature=signature, autograph=False).get_concrete_function() for branch in (function, negated)
        )
