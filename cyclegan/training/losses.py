"""Losses of both directions (paper, sections 3 and 5.2), one value for each.

All take images or logits `[2, B, H, W, C]` and return `[2]`: the mean over everything but the direction.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import tensorflow as tf

Loss = Callable[[tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class AdversarialLoss:
    """Losses of logits. generator: its loss, of fakes. real, fake: the discriminator's, of real images and of fakes."""

    generator: Loss
    real: Loss
    fake: Loss


def lsgan_loss(logits: tf.Tensor, target: float) -> tf.Tensor:
    """Least-squares GAN loss E[(D(x) - target)²] (paper, section 4; arXiv 1611.04076)."""
    return tf.reduce_mean(tf.square(logits - target), axis=[1, 2, 3, 4])


def _mean(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(values, axis=[1, 2, 3, 4])


def _too_low(logits: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of "real", whose probability is the sigmoid of the logit: E[-log σ(D(x))]."""
    return _mean(tf.nn.softplus(-logits))


def _too_high(logits: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of "fake": E[-log(1 - σ(D(x)))]."""
    return _mean(tf.nn.softplus(logits))


def _minus_mean(logits: tf.Tensor) -> tf.Tensor:
    return -_mean(logits)


ADVERSARIAL_LOSSES: Mapping[str, AdversarialLoss] = {
    "lsgan": AdversarialLoss(lambda x: lsgan_loss(x, 1.0), lambda x: lsgan_loss(x, 1.0), lambda x: lsgan_loss(x, 0.0)),
    # Goodfellow et al. (arXiv 1406.2661), section 3, with the generator's loss that does not saturate.
    "vanilla": AdversarialLoss(_too_low, _too_low, _too_high),
    # Lim and Ye (arXiv 1705.02894); Miyato et al. (arXiv 1802.05957), equations 16 and 17.
    "hinge": AdversarialLoss(_minus_mean, lambda x: _mean(tf.nn.relu(1 - x)), lambda x: _mean(tf.nn.relu(1 + x))),
    # Gulrajani et al. (arXiv 1704.00028), equation 3; its last term is in `gradient_penalty`.
    "wgangp": AdversarialLoss(_minus_mean, _minus_mean, _mean),
}
"""By the values of `train.loss`; the names are those of pytorch-CycleGAN-and-pix2pix's GANLoss, except hinge."""


def l1_loss(one: tf.Tensor, other: tf.Tensor, channel_mask: tf.Tensor | None = None) -> tf.Tensor:
    """E|one - other|, for the cycle-consistency loss (paper, equation 2) and the identity loss (section 5.2).

    channel_mask: ones and zeros `[2, 1, 1, 1, C]`, if not all channels count; both images must be 0 in the others.
    """
    mean = tf.reduce_mean(tf.abs(one - other), axis=[1, 2, 3, 4])
    return mean if channel_mask is None else mean / tf.reduce_mean(channel_mask, axis=[1, 2, 3, 4])


def pair_loss(fake: tf.Tensor, real: tf.Tensor, pairs: tf.Tensor, channel_mask: tf.Tensor | None = None) -> tf.Tensor:
    """E[p |fake - real|] for the known pairs among unpaired images: the mean over all images, of which the others count as 0.

    pairs: p, `[2, B]`, 1 where `real` is the partner of what `fake` was made from, 0 elsewhere; channel_mask: as of `l1_loss`.
    """
    mask = pairs[..., None, None, None]
    return l1_loss(mask * fake, mask * real, channel_mask)
