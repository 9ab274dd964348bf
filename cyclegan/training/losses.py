"""Losses of both directions (paper, sections 3 and 5.2), one value for each.

All take images or logits `[2, B, H, W, C]` and return `[2]`: the mean over everything but the direction.
"""

import tensorflow as tf


def lsgan_loss(logits: tf.Tensor, target: float) -> tf.Tensor:
    """Least-squares GAN loss E[(D(x) - target)²] (paper, section 4; arXiv 1611.04076)."""
    return tf.reduce_mean(tf.square(logits - target), axis=[1, 2, 3, 4])


def l1_loss(one: tf.Tensor, other: tf.Tensor, channel_mask: tf.Tensor | None = None) -> tf.Tensor:
    """E|one - other|, for the cycle-consistency loss (paper, equation 2) and the identity loss (section 5.2).

    channel_mask: ones and zeros `[2, 1, 1, 1, C]`, if not all channels count; both images must be 0 in the others.
    """
    mean = tf.reduce_mean(tf.abs(one - other), axis=[1, 2, 3, 4])
    return mean if channel_mask is None else mean / tf.reduce_mean(channel_mask, axis=[1, 2, 3, 4])
