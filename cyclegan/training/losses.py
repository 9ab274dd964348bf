"""Losses of the twin (paper, sections 3 and 4), one value for each direction.

All take images or logits `[2, B, H, W, C]` and give `[2]`: the mean over everything but the direction.
"""

import tensorflow as tf


def least_squares(logits: tf.Tensor, target: float) -> tf.Tensor:
    """LSGAN: E[(D(x) - target)²] (paper, section 4)."""
    return tf.reduce_mean(tf.square(logits - target), axis=[1, 2, 3, 4])


def absolute(one: tf.Tensor, other: tf.Tensor, real_channels: tf.Tensor | None = None) -> tf.Tensor:
    """L1 of the cycle (paper, equation 2) and identity (section 5.2) losses: E|one - other|.

    real_channels: ones and zeros `[2, 1, 1, 1, C]` if not all count; both images are 0 in the others.
    """
    mean = tf.reduce_mean(tf.abs(one - other), axis=[1, 2, 3, 4])
    return mean if real_channels is None else mean / tf.reduce_mean(real_channels, axis=[1, 2, 3, 4])
