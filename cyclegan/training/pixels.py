"""Conversion between integer pixels and the networks' range [-1, 1]; nothing else converts them."""

import numpy as np
import tensorflow as tf

_HALF = {tf.uint8: 127.5, tf.uint16: 32767.5}


def to_signed(pixels: tf.Tensor, dtype: tf.DType = tf.float32) -> tf.Tensor:
    """Integer pixels (uint8 or uint16, any shape) to floats in [-1, 1]."""
    return tf.cast(pixels, dtype) / _HALF[pixels.dtype] - 1


def to_pixels(signed: np.ndarray, bits: int = 8) -> np.ndarray:
    """Floats in [-1, 1] (any shape) to uint8, or uint16 for 16 bits: rounded to nearest, clipped outside the range."""
    dtype = tf.uint8 if bits == 8 else tf.uint16
    return np.clip(np.rint((signed + 1.0) * _HALF[dtype]), 0, dtype.max).astype(dtype.as_numpy_dtype)


def quantized(signed: tf.Tensor, bits: int = 8) -> tf.Tensor:
    """`to_pixels` as a TensorFlow operation, for use inside a program."""
    dtype = tf.uint8 if bits == 8 else tf.uint16
    return tf.cast(tf.clip_by_value(tf.round((signed + 1.0) * _HALF[dtype]), 0, dtype.max), dtype)
