"""Strided, transposed and large convolutions, built from small stride-1 convolutions by space-to-depth.

Space-to-depth with factor b moves each square of b x b pixels into the channels of one pixel. Each function takes the small convolution
as an argument: a function of (pixels, w [2, q, q, C, K], matmul), stride 1, without padding.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from cyclegan.ops.lazy_gather import ZEROS, Pixels, as_pixels, cropped_or_padded, gather
from cyclegan.ops.matmul import MatMul

SmallConvolution = Callable[[Pixels, tf.Tensor, MatMul], Pixels]


def space_to_depth(x: Pixels, b: int) -> Pixels:
    """Move squares of b x b pixels into channels; height and width are multiples of b."""
    directions, batch, height, width, groups = x.index.shape
    index = x.index.reshape(directions, batch, height // b, b, width // b, b, groups).transpose(0, 1, 2, 4, 3, 5, 6)
    return Pixels(x.values, index.reshape(directions, batch, height // b, width // b, b * b * groups))


def depth_to_space(x: Pixels, b: int) -> Pixels:
    """Undo `space_to_depth` for images with one index per pixel (g = 1), of b b c channels."""
    directions, batch, height, width, _ = x.index.shape
    index = np.where(x.index == ZEROS, ZEROS, x.index * b * b + np.arange(b * b, dtype=np.int32))
    index = index.reshape(directions, batch, height, width, b, b).transpose(0, 1, 2, 4, 3, 5)
    return Pixels(tf.reshape(x.values, (-1, x.values.shape[1] // (b * b))), index.reshape(directions, batch, height * b, width * b, 1))


def strided(x: Pixels, w: tf.Tensor, matmul: MatMul, b: int, small: SmallConvolution) -> Pixels:
    """Convolve at stride b: each b x b square gives one pixel. w [2, k, k, C, K]; height and width need not be multiples of b."""
    k = w.shape[1]
    q = -(-k // b)
    height, width = (x.height - k) // b + q, (x.width - k) // b + q
    kernel = tf.pad(w, [[0, 0], [0, q * b - k], [0, q * b - k], [0, 0], [0, 0]])
    return small(space_to_depth(cropped_or_padded(x, height * b, width * b), b), _kernel_to_depth(kernel, b), matmul)


def unstrided(x: Pixels, w: tf.Tensor, matmul: MatMul, b: int, small: SmallConvolution) -> Pixels:
    """Convolve at stride 1: each b x b square gives a square of the same size, each of its pixels by its own shift of the kernel."""
    k = w.shape[1]
    height, width = x.height - k + 1, x.width - k + 1
    q = -(-(k + b - 1) // b)
    # [q b, b, k]: input pixel i contributes to output pixel p through kernel tap i - p.
    taps = np.array([[np.eye(q * b, k, -p)[i] for p in range(b)] for i in range(q * b)])
    kernel = _kernel_to_depth(_rearrange(w, taps), b)
    vertical, horizontal = -(-height // b) - 1 + q, -(-width // b) - 1 + q
    y = small(space_to_depth(cropped_or_padded(x, vertical * b, horizontal * b), b), kernel, matmul)
    return cropped_or_padded(depth_to_space(y, b), height, width)


# [2, 2, 3]: along one axis, pixel 2i of the result is x[i] w[1], pixel 2i + 1 is x[i] w[2] + x[i + 1] w[0].
_TRANSPOSED_TAPS = np.array([[[0, 1, 0], [0, 0, 1]], [[0, 0, 0], [1, 0, 0]]])

# [2, 2, 4]: along one axis, pixel 2i - 1 of the result is x[i - 1] w[2] + x[i] w[0], pixel 2i is x[i - 1] w[3] + x[i] w[1].
_TRANSPOSED_4_TAPS = np.array([[[0, 0, 1, 0], [0, 0, 0, 1]], [[1, 0, 0, 0], [0, 1, 0, 0]]])


def transposed(x: Pixels, w: tf.Tensor, matmul: MatMul, small: SmallConvolution) -> Pixels:
    """Double the size, as defined by `convolution.conv2d_transpose`: each pixel gives a square of 2 x 2."""
    x = cropped_or_padded(x, x.height + 1, x.width + 1)
    return depth_to_space(small(x, _rearrange(w, _TRANSPOSED_TAPS), matmul), 2)


def transposed_4(x: Pixels, w: tf.Tensor, matmul: MatMul, small: SmallConvolution) -> Pixels:
    """As `transposed`, for a kernel of side 4: each 2 x 2 pixels give the square between them."""
    index = np.pad(x.index, ((0, 0), (0, 0), (1, 1), (1, 1), (0, 0)), constant_values=ZEROS)
    squares = depth_to_space(small(Pixels(x.values, index), _rearrange(w, _TRANSPOSED_4_TAPS), matmul), 2)
    return Pixels(squares.values, squares.index[:, :, 1:-1, 1:-1])


def doubled(x: Pixels) -> Pixels:
    """Double the size: each pixel gives a square of 2 x 2 equal ones."""
    return Pixels(x.values, x.index.repeat(2, 2).repeat(2, 3))


def patches(x: Pixels, w: tf.Tensor, matmul: MatMul) -> Pixels:
    """Convolve at stride 1 by one matrix product of all k x k patches with w (im2col).

    Pays off for few channels or few pixels, where Winograd tiles cost more than they save.
    """
    directions, k, channels = w.shape[0], w.shape[1], w.shape[-1]
    height, width = x.height - k + 1, x.width - k + 1
    index = np.concatenate([x.index[:, :, i : i + height, j : j + width] for i in range(k) for j in range(k)], -1)
    p = tf.reshape(gather(x.values, index), (directions, np.prod(index.shape[1:4]), -1))
    with tf.name_scope("product"):
        y = matmul(p, tf.reshape(w, (directions, -1, channels)))
    return as_pixels(tf.reshape(y, (*index.shape[:4], channels)))


def _kernel_to_depth(w: tf.Tensor, b: int) -> tf.Tensor:
    """Kernel [2, q b, q b, C, K] as the kernel [2, q, q, b b C, K] for images after space-to-depth."""
    directions, side, _, c, k = w.shape
    q = side // b
    w = tf.reshape(w, (directions, q, b, q, b, c, k))
    return tf.reshape(tf.transpose(w, (0, 1, 3, 2, 4, 5, 6)), (directions, q, q, b * b * c, k))


def _rearrange(w: tf.Tensor, taps: npt.NDArray[Any]) -> tf.Tensor:
    """Kernel [2, k, k, C, K] as [2, n, n, C, b b K].

    taps [n, b, k]: along one axis, 1 where kernel tap k connects input pixel n to output pixel b of the square, else 0.
    """
    n, b, _ = taps.shape
    taps = tf.constant(taps, w.dtype)
    w = tf.einsum("npk,mqh,dkhco->dnmcpqo", taps, taps, w)
    return tf.reshape(w, (w.shape[0], n, n, w.shape[3], b * b * w.shape[-1]))
