"""Stride-1 convolution by Winograd's minimal filtering, as constant matrices around one batched matrix product (arXiv 1509.09308).

Letters: m outputs and a = m + r - 1 inputs along a tile's side, r kernel side, T tiles of all images of one direction.
Of Y = A^T [ (G w G^T) * (B^T d B) ] A, each two-sided product is one matrix, the Kronecker product of the sides, for all tiles at once.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from cyclegan.ops.cook_toom import Matrix, cook_toom
from cyclegan.ops.lazy_gather import Pixels, cropped_or_padded, gather
from cyclegan.ops.matmul import MatMul


class _Square(NamedTuple):
    """Two-dimensional transforms: Kronecker squares of the one-dimensional ones."""

    output: Matrix  # [m m, a a]
    kernel: Matrix  # [a a, r r]
    input: Matrix  # [a a, a a]


@cache
def _square(m: int, r: int) -> _Square:
    output, kernel, data = cook_toom(m, r)
    return _Square(np.kron(output, output), np.kron(kernel, kernel), np.kron(data, data))


def winograd(x: Pixels, w: tf.Tensor, matmul: MatMul, m: int) -> Pixels:
    """Correlate x, H x W pixels of C channels, with w [2, r, r, C, K] without padding: (H - r + 1) x (W - r + 1) pixels of K channels.

    A tile of m x m outputs takes (m + r - 1)^2 instead of (m r)^2 multiplications. Sizes need not be multiples of m.
    """
    directions, r, _, c, k = w.shape
    batch, height, width = x.index.shape[1], x.height - r + 1, x.width - r + 1
    a, vertical, horizontal = m + r - 1, -(-height // m), -(-width // m)
    square, tiles = _square(m, r), batch * vertical * horizontal
    index = cropped_or_padded(x, vertical * m + r - 1, horizontal * m + r - 1).index
    cut = np.stack([index[:, :, i : i + vertical * m : m, j : j + horizontal * m : m] for i in range(a) for j in range(a)])
    v = tf.reshape(_apply(square.input, gather(x.values, cut)), (a * a, directions, tiles, c))
    u = tf.reshape(_apply(square.kernel, tf.transpose(w, (1, 2, 0, 3, 4))), (a * a, directions, c, k))
    with tf.name_scope("product"):
        products = matmul(v, u)
    y = tf.reshape(_apply(square.output, products), (-1, k))
    index = np.arange(y.shape[0], dtype=np.int32).reshape(m, m, directions, batch, vertical, horizontal)
    index = index.transpose(2, 3, 4, 0, 5, 1).reshape(directions, batch, vertical * m, horizontal * m, 1)
    return Pixels(y, index[:, :, :height, :width])


def _apply(matrix: Matrix, tensor: tf.Tensor) -> tf.Tensor:
    """matrix [q, p] times a tensor whose leading axes have p elements in all: [q, rest]."""
    with tf.name_scope("transform"):
        return tf.constant(matrix, tensor.dtype) @ tf.reshape(tensor, (matrix.shape[1], -1))
