"""Stride-1 convolution from features to few channels: one matrix product for all kernel taps, then a sum of shifted images.

The few output channels come first in memory, so that a shift moves contiguous pixels.
"""

from collections.abc import Callable

import tensorflow as tf


def shift_convolution(x: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
    """Correlate x [2, B, H, W, C] with w [2, k, k, C, K] without padding, K small: [2, B, H - k + 1, W - k + 1, K]."""
    directions, batch, height, width, c = x.shape
    k, channels = w.shape[1], w.shape[-1]
    out_height, out_width = height - k + 1, width - k + 1

    @tf.custom_gradient
    def convolve(x: tf.Tensor, w: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
        pixels = tf.reshape(x, (directions, batch * height * width, c))
        kernel = tf.reshape(tf.transpose(w, (0, 1, 2, 4, 3)), (directions, k * k * channels, c))
        taps = tf.reshape(tf.matmul(kernel, pixels, transpose_b=True), (directions, k, k, channels, batch, height, width))
        # Vertical shifts, then horizontal ones: 2 k terms instead of k k.
        vertical = tf.add_n([taps[:, i, :, :, :, i : i + out_height] for i in range(k)])
        y = tf.add_n([vertical[:, j, ..., j : j + out_width] for j in range(k)])

        def gradient(dy: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            with tf.name_scope(scope):
                dy = tf.transpose(dy, (0, 4, 1, 2, 3))
                dy = tf.pad(dy, [[0, 0], [0, 0], [0, 0], [k - 1, k - 1], [k - 1, k - 1]])
                back = range(k - 1, -1, -1)
                dtaps = tf.stack([dy[..., j : j + width] for j in back], 1)
                dtaps = tf.stack([dtaps[..., i : i + height, :] for i in back], 1)
                dtaps = tf.reshape(dtaps, (directions, k * k * channels, batch * height * width))
                dx = tf.reshape(tf.matmul(dtaps, kernel, transpose_a=True), x.shape)
                dw = tf.transpose(tf.reshape(dtaps @ pixels, (directions, k, k, channels, c)), (0, 1, 2, 4, 3))
                return dx, dw

        return tf.transpose(y, (0, 2, 3, 4, 1)), gradient

    with tf.name_scope("taps") as scope:
        return convolve(x, w)
