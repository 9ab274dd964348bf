"""The 70x70 PatchGAN discriminator (arXiv 1703.10593, section 7.2), both directions at once.

Ck is a 4x4 convolution with k filters, instance norm and leaky ReLU of slope 0.2; the first has no norm. As in the paper's
reference code, strides are 2, 2, 2, 1 and 1, and padding is one zero on each side.
"""

from collections.abc import Mapping

import tensorflow as tf

from cyclegan.config import ModelSpec
from cyclegan.networks.normalization import instance_norm
from cyclegan.ops.convolution import conv2d

LEAK = 0.2


def discriminate(parameters: Mapping[str, tf.Tensor], images: tf.Tensor, spec: ModelSpec) -> tf.Tensor:
    """Classify images [2, B, H, W, C] in [-1, 1] patch by patch: logits [2, B, H // 8 - 2, W // 8 - 2, 1], one per 70x70 patch.

    parameters: named as in `discriminator_shapes`, in the dtype of the images. H and W are at least 24.
    """
    n = spec.discriminator_filters

    def layer(x: tf.Tensor, name: str, stride: int) -> tf.Tensor:
        return conv2d(x, parameters[f"{name}/kernel"], stride=stride, pad=1, convolution=spec.convolution, precision=spec.precision)

    x = layer(images, f"C{n}", 2) + parameters[f"C{n}/bias"][:, None, None, None]
    x = tf.maximum(x, LEAK * x)
    x = instance_norm(layer(x, f"C{2 * n}", 2), LEAK)
    x = instance_norm(layer(x, f"C{4 * n}", 2), LEAK)
    x = instance_norm(layer(x, f"C{8 * n}", 1), LEAK)
    return layer(x, "C1", 1) + parameters["C1/bias"][:, None, None, None]
