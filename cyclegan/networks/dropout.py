"""Dropout of activations (Srivastava et al. 2014) whose masks depend on a number for each image, so that a step can be repeated."""

from functools import partial

import tensorflow as tf


class Dropout:
    """Sets a share of the activations to 0 and scales the others so that their mean stays; each call has masks of its own."""

    def __init__(self, rate: float, seeds: tf.Tensor) -> None:
        """seeds: `[2, B]` int32, of the images."""
        self._rate, self._seeds, self._calls = rate, seeds, 0
        self._bound = int(rate * 2**32) - 2**31  # that share of all int32 is less

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """x and result: `[2, B, H, W, C]`."""
        self._calls += 1
        # Whole numbers, of a named generator: XLA makes others by default, and makes other fractions of the same bits.
        draw = partial(tf.random.stateless_uniform, x.shape[2:], minval=None, maxval=None, dtype=tf.int32, alg="philox")
        bits = [tf.stack([draw(seed=tf.stack([seed, self._calls])) for seed in tf.unstack(row)]) for row in tf.unstack(self._seeds)]
        return tf.where(tf.stack(bits) < self._bound, tf.zeros([], x.dtype), x / (1 - self._rate))
