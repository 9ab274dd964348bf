"""Rematerialization: activations are computed again for the gradient instead of kept in memory (arXiv 1604.06174)."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def remat(function: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """`function` of tensors to one tensor, with the same value and gradient, that keeps only its arguments for the gradient.

    The second evaluation takes arguments that depend on the incoming gradient. Otherwise XLA would recognise it as equal to the first, and
    keep the first after all: it removes optimization barriers before it last eliminates common subexpressions.
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
