"""Domains with different numbers of channels: all images get the larger number; surplus channels are 0 and never count."""

import numpy as np
import tensorflow as tf

from cyclegan.config import ModelSpec


def channel_mask(spec: ModelSpec, dtype: tf.DType) -> tf.Tensor | None:
    """1 for the channels that images of (A, B) have, 0 for surplus ones: `[2, 1, 1, 1, C]`; None if both domains have all channels."""
    if spec.channels_a == spec.channels_b:
        return None
    numbers = np.array([spec.channels_a, spec.channels_b])
    return tf.constant((np.arange(spec.channels) < numbers[:, None])[:, None, None, None, :], dtype)
