"""Domains of unequal channels: the twin has those of the larger one; the smaller one's surplus channels are 0 and count nowhere."""

import numpy as np
import tensorflow as tf

from cyclegan.config import ModelConfig


def real_channels(model: ModelConfig, dtype: tf.DType) -> tf.Tensor | None:
    """Which channels images (A, B) have: `[2, 1, 1, 1, C]` of ones and zeros; None if both have all, so that nothing is computed."""
    if model.channels_a == model.channels_b:
        return None
    numbers = np.array([model.channels_a, model.channels_b])
    return tf.constant((np.arange(model.channels) < numbers[:, None])[:, None, None, None, :], dtype)
