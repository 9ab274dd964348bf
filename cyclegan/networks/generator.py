"""The ResNet generator (arXiv 1703.10593, section 7.2), both directions at once.

Layer codes are the paper's: c7s1-k is a 7x7 convolution of stride 1 with k filters, dk a 3x3 convolution of stride 2, Rk a residual
block of two 3x3 convolutions, uk a transposed 3x3 convolution of stride 2. All but the last are followed by instance norm and ReLU.
"""

from collections.abc import Callable, Mapping
from functools import partial

import tensorflow as tf

from cyclegan.config import ModelSpec
from cyclegan.networks.normalization import instance_norm
from cyclegan.networks.shapes import last_layer
from cyclegan.ops.convolution import conv2d, conv2d_transpose
from cyclegan.ops.remat import remat

RELU = 0.0
Part = Callable[..., tf.Tensor]


def generate(parameters: Mapping[str, tf.Tensor], images: tf.Tensor, spec: ModelSpec) -> tf.Tensor:
    """Translate images [2, B, H, W, C] in [-1, 1] to the other domain, same shape and range.

    parameters: named as in `generator_shapes`, in the dtype of the images. H and W are multiples of 4, at least 8.
    """
    n = spec.filters
    conv = partial(conv2d, convolution=spec.convolution, precision=spec.precision)
    conv_transpose = partial(conv2d_transpose, convolution=spec.convolution, precision=spec.precision)
    part = remat if spec.remat else _identity

    def kernels(*names: str) -> list[tf.Tensor]:
        return [parameters[f"{name}/kernel"] for name in names]

    def encode(x: tf.Tensor, first: tf.Tensor, *down: tf.Tensor) -> tf.Tensor:
        x = instance_norm(conv(x, first, pad=3, mode="reflect"), RELU)
        for kernel in down:
            x = instance_norm(conv(x, kernel, stride=2, pad=1), RELU)
        return x

    def residual(x: tf.Tensor, first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
        y = instance_norm(conv(x, first, pad=1, mode="reflect"), RELU)
        return x + instance_norm(conv(y, second, pad=1, mode="reflect"), None)

    def decode(x: tf.Tensor, up2: tf.Tensor, up1: tf.Tensor, last: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        for kernel in (up2, up1):
            x = instance_norm(conv_transpose(x, kernel), RELU)
        return tf.tanh(conv(x, last, pad=3, mode="reflect") + bias[:, None, None, None])

    x = part(encode)(images, *kernels(f"c7s1-{n}", f"d{2 * n}", f"d{4 * n}"))
    for i in range(spec.blocks):
        x = part(residual)(x, *(parameters[f"R{4 * n}.{i}/kernel{j}"] for j in (1, 2)))
    return part(decode)(x, *kernels(f"u{2 * n}", f"u{n}", last_layer(spec)), parameters[f"{last_layer(spec)}/bias"])


def _identity(function: Part) -> Part:
    return function
