"""Convolutions of both directions at once.

Letters: B pictures, H, W height and width, k kernel side, C channels in, K channels out. The leading 2 is the direction.
"""

from functools import cache

import tensorflow as tf


def conv2d(x: tf.Tensor, w: tf.Tensor, *, stride: int = 1, form: str = "auto") -> tf.Tensor:
    """Correlate x with w as deep learning does, without padding (VALID).

    x: [2, B, H, W, C], already padded. w: [2, k, k, C, K]. Result: [2, B, (H - k) // stride + 1, (W - k) // stride + 1, K].
    form: "plain" is TensorFlow's own convolution, "auto" the fastest form known for this layer on this device.
    """
    return tf.stack([tf.nn.conv2d(x[i], w[i], stride, "VALID") for i in range(2)])


def conv2d_transpose(x: tf.Tensor, w: tf.Tensor, *, form: str = "auto") -> tf.Tensor:
    """Double the size by a transposed 3x3 convolution of stride 2: result[2i + a - 1] sums x[i] w[a], along each axis.

    x: [2, B, H, W, C]. w: [2, 3, 3, C, K]. Result: [2, B, 2H, 2W, K]. It is torch's ConvTranspose2d with kernel 3, stride 2,
    padding 1 and output_padding 1, as in the paper's reference code. form: as in `conv2d`.
    """
    _, batch, height, width, _ = x.shape
    full = (batch, 2 * height + 1, 2 * width + 1, w.shape[-1])
    kernel = tf.transpose(w, (0, 1, 2, 4, 3))
    return tf.stack([tf.nn.conv2d_transpose(x[i], kernel[i], full, 2, "VALID")[:, 1:, 1:] for i in range(2)])


@cache
def has_gpu() -> bool:
    """Whether TensorFlow computes on a GPU here, where its own convolutions are the fastest."""
    return bool(tf.config.list_physical_devices("GPU"))
