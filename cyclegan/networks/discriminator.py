"""The discriminators, both directions at once; `discriminator_layers` lists their layers."""

from collections.abc import Mapping

import tensorflow as tf

from cyclegan.config import ModelSpec
from cyclegan.networks.discriminator_layers import discriminator_layers
from cyclegan.networks.generator_layers import scale_of, shift_of
from cyclegan.networks.normalization import leaky_relu, normalized
from cyclegan.ops.convolution import conv2d

LEAK = 0.2


def discriminate(parameters: Mapping[str, tf.Tensor], images: tf.Tensor, spec: ModelSpec) -> tf.Tensor:
    """Classify images [2, B, H, W, C] in [-1, 1] patch by patch: logits [2, B, h, w, 1].

    basic: one per 70x70 patch, h = H // 8 - 2; n_layers: h = H // 2^n - 2; pixel: one per pixel. parameters: named as in
    `discriminator_shapes`, in the dtype of the images. H and W are at least `spec.smallest_judged`.
    """
    x = images
    for layer in discriminator_layers(spec):
        pad = 0 if layer.side == 1 else 1
        kernel = parameters[layer.kernel]
        x = conv2d(x, kernel, stride=layer.stride, pad=pad, convolution=spec.convolution, precision=spec.precision)
        if layer.bias:
            x += parameters[f"{layer.name}/bias"][:, None, None, None]
        if layer.norm:
            affine = (parameters[scale_of(layer.kernel)], parameters[shift_of(layer.kernel)]) if layer.affine else None
            x = normalized(x, spec.norm, LEAK, affine, alone=False)
        elif not layer.last:
            x = leaky_relu(x, LEAK)
    return x
