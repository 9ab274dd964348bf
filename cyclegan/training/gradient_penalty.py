"""The gradient penalty of WGAN-GP (Gulrajani et al., arXiv 1704.00028), which keeps the discriminators' slope near 1."""

from collections.abc import Callable

import tensorflow as tf

WEIGHT = 10.0  # λ of the article, section 4, and of the reference code
MIX = "gradient penalty: mix"
"""Purpose of the random numbers (`draws`), one per image: the share of the real image."""


def gradient_penalty(
    discriminate: Callable[[tf.Tensor], tf.Tensor], real: tf.Tensor, fake: tf.Tensor, mix: tf.Tensor, channel_mask: tf.Tensor | None
) -> tf.Tensor:
    """λ E[(‖∇D(x)‖₂ - 1)²] (equation 3) at x = mix · real + (1 - mix) · fake: `[2]`, one value for each direction.

    discriminate: images `[2, B, H, W, C]` → logits, whose sum over all patches is differentiated, as in the reference code; with a second
    derivative. real, fake: images. mix: `[2, B]` in [0, 1). channel_mask: as in `losses.l1_loss`; only real channels count.
    """
    share = mix[:, :, None, None, None]
    between = share * real + (1 - share) * fake
    with tf.GradientTape() as tape:
        tape.watch(between)
        logits = discriminate(between)
    slope = tape.gradient(logits, between)
    if channel_mask is not None:
        slope *= channel_mask
    # The root of 0 has no derivative.
    norm = tf.sqrt(tf.reduce_sum(tf.square(slope + 1e-16), [2, 3, 4]))
    return WEIGHT * tf.reduce_mean(tf.square(norm - 1), 1)
