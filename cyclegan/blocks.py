"""Strided, transposed and large convolutions, written as small convolutions of stride 1 between blocks of pixels.

A block is b x b pixels moved into the channels (space to depth). Each function takes the small convolution as an argument:
a function of (x [2, B, H, W, C], w [2, q, q, C, K]), stride 1, without padding.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

SmallConvolution = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def strided(x: tf.Tensor, w: tf.Tensor, b: int, small: SmallConvolution) -> tf.Tensor:
    """Convolve at stride b: one block in, one pixel out. x [2, B, H, W, C], w [2, k, k, C, K]; H, W need not divide by b."""
    k = w.shape[1]
    q = -(-k // b)
    height, width = (x.shape[2] - k) // b + q, (x.shape[3] - k) // b + q
    kernel = _resize(w, (q * b, q * b), axis=1)
    return small(space_to_depth(_resize(x, (height * b, width * b), axis=2), b), _kernel_to_depth(kernel, b))


def unstrided(x: tf.Tensor, w: tf.Tensor, b: int, small: SmallConvolution) -> tf.Tensor:
    """Convolve at stride 1: one block in, one block out, each of its b b pixels by its own shift of the kernel."""
    k = w.shape[1]
    height, width = x.shape[2] - k + 1, x.shape[3] - k + 1
    q = -(-(k + b - 1) // b)
    # [q b, b, k]: place i in the blocks serves pixel p of the result by tap i - p.
    taps = np.array([[np.eye(q * b, k, -p)[i] for p in range(b)] for i in range(q * b)])
    kernel = _kernel_to_depth(_rearrange(w, taps), b)
    rows, columns = -(-height // b) - 1 + q, -(-width // b) - 1 + q
    y = small(space_to_depth(_resize(x, (rows * b, columns * b), axis=2), b), kernel)
    return depth_to_space(y, b)[:, :, :height, :width]


# [2, 2, 3]: along one axis, pixel 2i of the result is x[i] w[1], pixel 2i + 1 is x[i] w[2] + x[i + 1] w[0].
_TRANSPOSED_TAPS = np.array([[[0, 1, 0], [0, 0, 1]], [[0, 0, 0], [1, 0, 0]]])


def transposed(x: tf.Tensor, w: tf.Tensor, small: SmallConvolution) -> tf.Tensor:
    """Double the size as `convolution.conv2d_transpose` says: one pixel in, one block of 2 x 2 out."""
    x = tf.pad(x, [[0, 0], [0, 0], [0, 1], [0, 1], [0, 0]])
    return depth_to_space(small(x, _rearrange(w, _TRANSPOSED_TAPS)), 2)


def space_to_depth(x: tf.Tensor, b: int) -> tf.Tensor:
    """Move blocks of b x b pixels into channels: [2, B, H, W, C] to [2, B, H / b, W / b, b b C]."""
    _, batch, height, width, c = x.shape
    x = tf.reshape(x, (2, batch, height // b, b, width // b, b * c))
    # Not a transpose, though equal to one: XLA would repeat that, slowly, in each of the slices that cut tiles.
    return tf.concat(tf.unstack(x, axis=3), -1)


def depth_to_space(x: tf.Tensor, b: int) -> tf.Tensor:
    """Undo `space_to_depth`."""
    _, batch, height, width, c = x.shape
    return tf.reshape(tf.stack(tf.split(x, b, -1), 3), (2, batch, height * b, width * b, c // (b * b)))


def patches(x: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
    """Convolve at stride 1 by one product of all k x k patches with w: for few channels, where tiles cost more than they save."""
    k, channels = w.shape[1], w.shape[-1]
    _, batch, height, width, _ = x.shape
    height, width = height - k + 1, width - k + 1
    rows = tf.concat([x[:, :, :, j : j + width] for j in range(k)], -1)
    p = tf.concat([rows[:, :, i : i + height] for i in range(k)], -1)
    y = tf.reshape(p, (2, batch * height * width, -1)) @ tf.reshape(w, (2, -1, channels))
    return tf.reshape(y, (2, batch, height, width, channels))


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


def _resize(t: tf.Tensor, size: tuple[int, int], axis: int) -> tf.Tensor:
    """Cut or fill with zeros at the end of `axis` and the next one."""
    height, width = size
    lead = (slice(None),) * axis
    t = t[(*lead, slice(0, height), slice(0, width))]
    paddings = [[0, 0]] * axis + [[0, height - t.shape[axis]], [0, width - t.shape[axis + 1]], [0, 0], [0, 0]]
    return tf.pad(t, paddings[: t.shape.rank])
