"""The U-Net generator (arXiv 1611.07004, section 6.1.1), both directions at once; `unet_layers` lists its layers."""

from collections.abc import Mapping

import tensorflow as tf

from cyclegan.config import ModelSpec
from cyclegan.networks.dropout import Dropout
from cyclegan.networks.normalization import leaky_relu, normalized
from cyclegan.networks.unet_layers import Convolution, unet_levels
from cyclegan.ops.convolution import conv2d, conv2d_transpose

LEAK = 0.2


def unet(parameters: Mapping[str, tf.Tensor], images: tf.Tensor, spec: ModelSpec, alone: bool, dropout: Dropout | None) -> tf.Tensor:
    """Translate images [2, B, H, W, C] in [-1, 1] to the other domain, same shape and range. H and W are multiples of 2^levels.

    parameters: named as in `unet_levels`. alone: see `normalized`. dropout: on the way up, at the levels of the most channels but the
    innermost.
    """

    def after(layer: Convolution, y: tf.Tensor) -> tf.Tensor:
        if layer.bias:
            y += parameters[f"{layer.name}/bias"][:, None, None, None]
        if not layer.norm:
            return y
        affine = (parameters[f"{layer.name}/scale"], parameters[f"{layer.name}/shift"]) if layer.affine else None
        return normalized(y, spec.norm, None, affine, alone)

    levels, x, results = unet_levels(spec), images, list[tf.Tensor]()
    for level in levels:
        kernel = parameters[level.down.kernel]
        x = leaky_relu(x, LEAK) if results else x
        x = after(level.down, conv2d(x, kernel, stride=2, pad=1, convolution=spec.convolution, precision=spec.precision))
        results.append(x)
    y = results.pop()
    for level in reversed(levels):
        kernel = parameters[level.up.kernel]
        y = conv2d_transpose(tf.nn.relu(y), kernel, convolution=spec.convolution, precision=spec.precision)
        y = after(level.up, y)
        if dropout and level.dropout:
            y = dropout(y)
        if results:
            y = tf.concat([results.pop(), y], -1)
    return tf.tanh(y)
