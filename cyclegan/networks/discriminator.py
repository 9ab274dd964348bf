"""The discriminators, both directions at once; `discriminator_layers` lists their layers."""

from collections.abc import Mapping

import tensorflow as tf

from cyclegan.config import ModelSpec
from cyclegan.networks.apply_layer import apply_layer
from cyclegan.networks.discriminator_layers import discriminator_layers


def discriminate(parameters: Mapping[str, tf.Tensor], images: tf.Tensor, spec: ModelSpec) -> tf.Tensor:
    """Classify images [2, B, H, W, C] in [-1, 1] patch by patch: logits [2, B, h, w, 1].

    basic: one per 70x70 patch, h = H // 8 - 2; n_layers: h = H // 2^n - 2; pixel: one per pixel. parameters: named as in
    `discriminator_shapes`, in the dtype of the images. H and W are at least `spec.smallest_judged`.
    """
    x = images
    with tf.name_scope("discriminator"):
        for layer in discriminator_layers(spec):
            x = apply_layer(layer, parameters, x, spec)
    return x
