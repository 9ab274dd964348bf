"""InceptionV3 up to its features, as TensorFlow's release of 2015-12-05 has it, on which FID and KID are defined.

It differs from the paper, and from torchvision's network, in two ways (pytorch-fid's findings): averages of 3 x 3 at a border are of
the pixels inside, and the last block pools its branch by maximum. Letters: B images, H and W height and width, C channels.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import tensorflow as tf

SIDE = 299
FEATURES = 2048


class Layer(NamedTuple):
    """A convolution with its batch normalization folded in: kernel [height, width, C, K], bias [K]."""

    kernel: tf.Tensor
    bias: tf.Tensor


Branch = Callable[..., tf.Tensor]


def inception_features(layers: Mapping[str, Layer], images: tf.Tensor) -> tf.Tensor:
    """Features [B, 2048] of images [B, 299, 299, 3] in [-1, 1]; float32. layers: by the names of `inception_shapes`."""
    conv = partial(_convolve, layers)
    x = conv("Conv2d_1a_3x3", images, stride=2, padding="VALID")
    x = conv("Conv2d_2a_3x3", x, padding="VALID")
    x = conv("Conv2d_2b_3x3", x)
    x = conv("Conv2d_3b_1x1", _halve(x))
    x = conv("Conv2d_4a_3x3", x, padding="VALID")
    x = _halve(x)  # [B, 35, 35, 192]
    for name in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
        x = _block_a(partial(_branch, layers, name), x)
    x = _block_b(partial(_branch, layers, "Mixed_6a"), x)  # [B, 17, 17, 768]
    for name in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
        x = _block_c(partial(_branch, layers, name), x)
    x = _block_d(partial(_branch, layers, "Mixed_7a"), x)  # [B, 8, 8, 1280]
    x = _block_e(partial(_branch, layers, "Mixed_7b"), x, _average(x))
    x = _block_e(partial(_branch, layers, "Mixed_7c"), x, tf.nn.max_pool2d(x, 3, 1, "SAME"))
    return tf.reduce_mean(x, (1, 2))


def _convolve(layers: Mapping[str, Layer], name: str, x: tf.Tensor, stride: int = 1, padding: str = "SAME") -> tf.Tensor:
    kernel, bias = layers[name]
    return tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, kernel, stride, padding), bias))


def _branch(layers: Mapping[str, Layer], block: str, x: tf.Tensor, *names: str, stride: int = 1) -> tf.Tensor:
    """Convolutions of a block one after another; only the last has a stride, and then no padding."""
    for name in names[:-1]:
        x = _convolve(layers, f"{block}.{name}", x)
    return _convolve(layers, f"{block}.{names[-1]}", x, stride, "SAME" if stride == 1 else "VALID")


def _halve(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.max_pool2d(x, 3, 2, "VALID")


def _average(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.avg_pool2d(x, 3, 1, "SAME")  # padding does not count


def _block_a(branch: Branch, x: tf.Tensor) -> tf.Tensor:
    return tf.concat(
        [
            branch(x, "branch1x1"),
            branch(x, "branch5x5_1", "branch5x5_2"),
            branch(x, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
            branch(_average(x), "branch_pool"),
        ],
        3,
    )


def _block_b(branch: Branch, x: tf.Tensor) -> tf.Tensor:
    return tf.concat(
        [
            branch(x, "branch3x3", stride=2),
            branch(x, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3", stride=2),
            _halve(x),
        ],
        3,
    )


def _block_c(branch: Branch, x: tf.Tensor) -> tf.Tensor:
    return tf.concat(
        [
            branch(x, "branch1x1"),
            branch(x, "branch7x7_1", "branch7x7_2", "branch7x7_3"),
            branch(x, *(f"branch7x7dbl_{i}" for i in range(1, 6))),
            branch(_average(x), "branch_pool"),
        ],
        3,
    )


def _block_d(branch: Branch, x: tf.Tensor) -> tf.Tensor:
    return tf.concat(
        [
            branch(x, "branch3x3_1", "branch3x3_2", stride=2),
            branch(x, *(f"branch7x7x3_{i}" for i in range(1, 5)), stride=2),
            _halve(x),
        ],
        3,
    )


def _block_e(branch: Branch, x: tf.Tensor, pooled: tf.Tensor) -> tf.Tensor:
    three = branch(x, "branch3x3_1")
    double = branch(x, "branch3x3dbl_1", "branch3x3dbl_2")
    return tf.concat(
        [
            branch(x, "branch1x1"),
            branch(three, "branch3x3_2a"),
            branch(three, "branch3x3_2b"),
            branch(double, "branch3x3dbl_3a"),
            branch(double, "branch3x3dbl_3b"),
            branch(pooled, "branch_pool"),
        ],
        3,
    )
