"""Padding of pictures along height and width."""

import tensorflow as tf


def zero_pad(x: tf.Tensor, width: int) -> tf.Tensor:
    """Surround x [2, B, H, W, C] by `width` zeros on each side."""
    return tf.pad(x, [[0, 0], [0, 0], [width, width], [width, width], [0, 0]])


def reflection_pad(x: tf.Tensor, width: int) -> tf.Tensor:
    """Surround x [2, B, H, W, C] by its mirror image, the border itself not repeated; H and W exceed `width`."""
    return tf.pad(x, [[0, 0], [0, 0], [width, width], [width, width], [0, 0]], "REFLECT")
