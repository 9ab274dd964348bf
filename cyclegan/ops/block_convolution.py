"""Strided, transposed and large convolutions, written as small convolutions of stride 1 between blocks of pixels.

A block is b x b pixels moved into the channels (space to depth). Each function takes the small convolution as an argument:
a function of (pixels, w [2, q, q, C, K], product), stride 1, without padding.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from cyclegan.ops.lazy_gather import Pixels, depth_to_space, gather, pixels, resized, space_to_depth
from cyclegan.ops.matmul import Product

SmallConvolution = Callable[[Pixels, tf.Tensor, Product], Pixels]


def strided(x: Pixels, w: tf.Tensor, product: Product, b: int, small: SmallConvolution) -> Pixels:
    """Convolve at stride b: one block in, one pixel out. w [2, k, k, C, K]; height and width need not divide by b."""
    k = w.shape[1]
    q = -(-k // b)
    height, width = (x.height - k) // b + q, (x.width - k) // b + q
    kernel = tf.pad(w, [[0, 0], [0, q * b - k], [0, q * b - k], [0, 0], [0, 0]])
    return small(space_to_depth(resized(x, height * b, width * b), b), _kernel_to_depth(kernel, b), product)


def unstrided(x: Pixels, w: tf.Tensor, product: Product, b: int, small: SmallConvolution) -> Pixels:
    """Convolve at stride 1: one block in, one block out, each of its b b pixels by its own shift of the kernel."""
    k = w.shape[1]
    height, width = x.height - k + 1, x.width - k + 1
    q = -(-(k + b - 1) // b)
    # [q b, b, k]: place i in the blocks serves pixel p of the result by tap i - p.
    taps = np.array([[np.eye(q * b, k, -p)[i] for p in range(b)] for i in range(q * b)])
    kernel = _kernel_to_depth(_rearrange(w, taps), b)
    rows, columns = -(-height // b) - 1 + q, -(-width // b) - 1 + q
    y = small(space_to_depth(resized(x, rows * b, columns * b), b), kernel, product)
    return resized(depth_to_space(y, b), height, width)


# [2, 2, 3]: along one axis, pixel 2i of the result is x[i] w[1], pixel 2i + 1 is x[i] w[2] + x[i + 1] w[0].
_TRANSPOSED_TAPS = np.array([[[0, 1, 0], [0, 0, 1]], [[0, 0, 0], [1, 0, 0]]])


def transposed(x: Pixels, w: tf.Tensor, product: Product, small: SmallConvolution) -> Pixels:
    """Double the size as `convolution.conv2d_transpose` says: one pixel in, one block of 2 x 2 out."""
    x = resized(x, x.height + 1, x.width + 1)
    return depth_to_space(small(x, _rearrange(w, _TRANSPOSED_TAPS), product), 2)


def patches(x: Pixels, w: tf.Tensor, product: Product) -> Pixels:
    """Convolve at stride 1 by one product of all k x k patches with w: for few channels, where tiles cost more than they save."""
    directions, k, channels = w.shape[0], w.shape[1], w.shape[-1]
    height, width = x.height - k + 1, x.width - k + 1
    index = np.concatenate([x.index[:, :, i : i + height, j : j + width] for i in range(k) for j in range(k)], -1)
    p = tf.reshape(gather(x.rows, index), (directions, np.prod(index.shape[1:4]), -1))
    y = product(p, tf.reshape(w, (directions, -1, channels)))
    return pixels(tf.reshape(y, (*index.shape[:4], channels)))


def _kernel_to_depth(w: tf.Tensor, b: int) -> tf.Tensor:
    """Kernel [2, q b, q b, C, K] as the kernel [2, q, q, b b C, K] of the blocks."""
    _, side, _, c, k = w.shape
    q = side // b
    w = tf.reshape(w, (2, q, b, q, b, c, k))
    return tf.reshape(tf.transpose(w, (0, 1, 3, 2, 4, 5, 6)), (2, q, q, b * b * c, k))


def _rearrange(w: tf.Tensor, taps: npt.NDArray[Any]) -> tf.Tensor:
    """Kernel [2, k, k, C, K] as [2, n, n, C, b b K]: taps [n, b, k] says, along one axis, which tap joins place n to pixel b."""
    n, b, _ = taps.shape
    taps = tf.constant(taps, w.dtype)
    w = tf.einsum("npk,mqh,dkhco->dnmcpqo", taps, taps, w)
    return tf.reshape(w, (2, n, n, w.shape[3], b * b * w.shape[-1]))
