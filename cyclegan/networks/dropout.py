"""Dropout of activations (Srivastava et al. 2014) whose masks depend on a number for each image, so that a step can be repeated."""

import tensorflow as tf


class Dropout:
    """Sets a share of the activations to 0 and scales the others so that their mean stays; each call has masks of its own."""

    def __init__(self, rate: float, seeds: tf.Tensor) -> None:
        """seeds: `[2, B]` int32, of the images."""
        self._rate, self._seeds, self._calls = rate, seeds, 0

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """x and result: `[2, B, H, W, C]`."""
        self._calls += 1
        # The same generator everywhere: the default of XLA is not that of the other kernels.
        draw = tf.random.stateless_uniform
        uniform = [
            [draw(x.shape[2:], tf.stack([seed, self._calls]), dtype=x.dtype, alg="philox") for seed in tf.unstack(row)]
            for row in tf.unstack(self._seeds)
        ]
        return tf.where(tf.stack([tf.stack(row) for row in uniform]) < self._rate, tf.zeros([], x.dtype), x / (1 - self._rate))
