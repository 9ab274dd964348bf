"""Less memory for more computing: intermediate values made again for the gradient instead of kept (arXiv 1604.06174)."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def recomputed(function: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """`function` of tensors to one tensor, equal in value and gradient, of which only the arguments are kept for the gradient.

    The second evaluation takes arguments that depend on the gradient that comes in. Else XLA would find it equal to the first, and keep
    that after all: it removes optimization barriers before its last search for common parts.
    """

    @tf.custom_gradient
    def forward(*arguments: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], Any]]:
        def gradient(dy: tf.Tensor) -> Any:
            some = tf.reshape(dy, [-1])[0]
            zero = tf.where(tf.math.is_finite(some), tf.zeros_like(some), some)
            again = [argument + zero for argument in arguments]
            with tf.GradientTape() as tape:
                tape.watch(again)
                y = function(*again)
            return tape.gradient(y, again, dy)

        return function(*arguments), gradient

    return forward  # type: ignore[no-any-return]
