"""How a layer of any network is computed, both directions at once."""

from collections.abc import Mapping

import tensorflow as tf

from cyclegan.config import ModelSpec
from cyclegan.networks.layer import Layer
from cyclegan.networks.normalization import normalized
from cyclegan.ops.convolution import conv2d, conv2d_doubled, conv2d_transpose


def apply_layer(layer: Layer, parameters: Mapping[str, tf.Tensor], x: tf.Tensor, spec: ModelSpec, alone: bool = False) -> tf.Tensor:
    """The result [2, B, H', W', K] for x [2, B, H, W, C]. parameters: by name, in the dtype of x. alone: see `normalized`."""
    with tf.name_scope(layer.name):
        kernel, convolution, precision = parameters[layer.kernel], spec.convolution, spec.precision
        if layer.doubled:
            y = conv2d_doubled(x, kernel, convolution=convolution, precision=precision)
        elif layer.transposed:
            y = conv2d_transpose(x, kernel, convolution=convolution, precision=precision)
        else:
            y = conv2d(x, kernel, stride=layer.stride, pad=layer.pad, mode=layer.mode, convolution=convolution, precision=precision)
        if layer.bias:
            y += parameters[layer.bias][:, None, None, None]
        affine = (parameters[layer.scale], parameters[layer.shift]) if layer.affine else None
        return normalized(y, spec.norm if layer.norm else "none", layer.slope, affine, alone)
