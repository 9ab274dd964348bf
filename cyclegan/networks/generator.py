"""The generators, both directions at once: the ResNet (arXiv 1703.10593, section 7.2; layers in `generator_layers`), or the U-Net."""

from collections.abc import Mapping
from functools import partial

import tensorflow as tf

from cyclegan.config import ModelSpec
from cyclegan.networks.apply_layer import apply_layer
from cyclegan.networks.dropout import Dropout
from cyclegan.networks.generator_layers import Part, generator_parts
from cyclegan.networks.unet import unet
from cyclegan.ops.remat import remat


def generate(
    parameters: Mapping[str, tf.Tensor], images: tf.Tensor, spec: ModelSpec, alone: bool = False, dropout: Dropout | None = None
) -> tf.Tensor:
    """Translate images [2, B, H, W, C] in [-1, 1] to the other domain, same shape and range.

    parameters: named as in `generator_shapes`, in the dtype of the images. H and W are multiples of `spec.multiple`, at least
    `spec.smallest`. alone: whether the result of an image is independent of the others even with batch norm, see `normalized`. dropout:
    between the two layers of each residual block, or in the U-Net's inner levels, as in the reference code; not with `spec.remat`.
    """
    if spec.generator != "resnet":
        return unet(parameters, images, spec, alone, dropout)
    x = images
    for part in generator_parts(spec):
        compute = partial(_compute, part, spec, alone, dropout)
        x = (remat(compute) if spec.remat else compute)(x, *(parameters[name] for name in part.shapes))
    return tf.tanh(x)


def _compute(part: Part, spec: ModelSpec, alone: bool, dropout: Dropout | None, x: tf.Tensor, *values: tf.Tensor) -> tf.Tensor:
    parameters = dict(zip(part.shapes, values, strict=True))
    y = x
    for layer in part.layers:
        y = apply_layer(layer, parameters, y, spec, alone)
        if dropout and part.residual and layer is part.layers[0]:
            y = dropout(y)
    return x + y if part.residual else y
