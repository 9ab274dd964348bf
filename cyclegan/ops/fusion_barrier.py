"""A boundary that XLA does not fuse across."""

from collections.abc import Callable
from functools import cache
from typing import Any

import tensorflow as tf

Linear = Callable[..., tf.Tensor]


def fusion_barrier(function: Linear, x: tf.Tensor, *others: tf.Tensor) -> tf.Tensor:
    """Compute function(x, *others) separately from its neighbours. Linear in x; pass the same function object for the same work.

    A data movement that XLA fuses or folds into the matrix product that reads it runs element by element and takes at least twice as long.
    Optimization barriers do not help, as XLA removes them before it fuses. A condition that it cannot predict does; both branches give the
    same result.
    """
    positive, negated = _branches(function, tuple(tf.TensorSpec(t.shape, t.dtype) for t in (x, *others)))
    unpredictable = tf.math.is_finite(tf.reshape(x, [-1])[0])
    (result,) = tf.raw_ops.StatelessIf(
        cond=unpredictable, input=(x, *others), Tout=[positive.output_dtypes], then_branch=positive, else_branch=negated
    )
    result.set_shape(positive.output_shapes)
    return result


@cache
def _branches(function: Linear, signature: tuple[tf.TensorSpec, ...]) -> tuple[Any, Any]:
    """Both branches of a condition, traced once for all equal layers.

    This saves a fifth of the time to trace, compile and load a generator.
    """

    def negated(x: tf.Tensor, *others: tf.Tensor) -> tf.Tensor:
        return -function(-x, *others)

    with tf.init_scope():
        return tuple(
            tf.function(branch, input_signature=signature, autograph=False).get_concrete_function() for branch in (function, negated)
        )
