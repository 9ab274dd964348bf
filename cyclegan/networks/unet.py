"""The U-Net generator (arXiv 1611.07004, section 6.1.1), both directions at once; `unet_layers` lists its layers."""

from collections.abc import Mapping

import tensorflow as tf

from cyclegan.config import ModelSpec
from cyclegan.networks.apply_layer import apply_layer
from cyclegan.networks.dropout import Dropout
from cyclegan.networks.normalization import leaky_relu
from cyclegan.networks.unet_layers import unet_levels

LEAK = 0.2


def unet(parameters: Mapping[str, tf.Tensor], images: tf.Tensor, spec: ModelSpec, alone: bool, dropout: Dropout | None) -> tf.Tensor:
    """Translate images [2, B, H, W, C] in [-1, 1] to the other domain, same shape and range. H and W are multiples of 2^levels.

    parameters: named as in `unet_levels`. alone: see `normalized`. dropout: on the way up, at the levels of the most channels but the
    innermost.
    """
    levels, x, results = unet_levels(spec), images, list[tf.Tensor]()
    for level in levels:
        x = apply_layer(level.down, parameters, leaky_relu(x, LEAK) if results else x, spec, alone)
        results.append(x)
    y = results.pop()
    for level in reversed(levels):
        y = apply_layer(level.up, parameters, tf.nn.relu(y), spec, alone)
        if dropout and level.dropout:
            y = dropout(y)
        if results:
            y = tf.concat([results.pop(), y], -1)
    return tf.tanh(y)
