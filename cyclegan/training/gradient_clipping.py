"""Gradient clipping by norm (Pascanu et al., arXiv 1211.5063, algorithm 1)."""

import math

import tensorflow as tf

from cyclegan.networks.flat_parameters import FlatParameters


def clip_norms(vector: tf.Tensor, layout: FlatParameters, limit: float) -> tf.Tensor:
    """The gradient at the beginning of `vector`, `[layout.size]`, scaled down where its L2 norm is above `limit`.

    The two networks of a pair are clipped separately, each by the norm over all of its parameters, as PyTorch's clip_grad_norm_ does. If a
    norm is not finite, nor is the result.
    """
    parts = layout.split(vector[: layout.size])
    squares = [tf.reduce_sum(tf.square(part), axis=range(1, len(part.shape))) for part in parts.values()]
    norms = tf.sqrt(tf.add_n(squares))  # [2]
    factors = tf.minimum(tf.ones([], vector.dtype), limit / (norms + 1e-6))
    # A gradient of infinite norm would become one of zeros, and count as an update.
    factors = tf.where(tf.math.is_finite(norms), factors, tf.constant(math.nan, vector.dtype))
    return layout.join({name: part * tf.reshape(factors, [2] + [1] * (len(part.shape) - 1)) for name, part in parts.items()})
