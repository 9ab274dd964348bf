"""An exponential moving average of the generators' weights: it translates better than the weights of any one step.

Yazıcı et al., "The Unusual Effectiveness of Averaging in GAN Training" (arXiv 1806.04498), equation 3.
"""

import tensorflow as tf


def update_average(average: tf.Variable, weights: tf.Tensor, updates: tf.Tensor, updated: tf.Tensor, decay: float) -> None:
    """Update in place after update number `updates` (int64): average ← d · average + (1 - d) · weights; nothing changes unless `updated`.

    average, weights: `[size]`. d = min(decay, (1 + updates) / (10 + updates)), so that the initial weights are soon forgotten.
    """
    number = tf.cast(updates, weights.dtype)
    d = tf.minimum(tf.constant(decay, weights.dtype), (1 + number) / (10 + number))
    average.assign(tf.where(updated, d * average + (1 - d) * weights, average))
