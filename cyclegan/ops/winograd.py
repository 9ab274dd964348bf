"""Stride-1 convolution by Winograd's minimal filtering, as constant matrices around one batched product (arXiv 1509.09308).

Letters: m outputs and a = m + r - 1 inputs along a tile's side, r kernel side, T tiles of all images of one direction.
With Y = A^T [ (G w G^T) * (B^T d B) ] A, each two-sided product is one matrix, kron of the two sides, applied to all tiles at once.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from cyclegan.ops.cook_toom import Matrix, cook_toom
from cyclegan.ops.lazy_gather import Pixels, gather, resized
from cyclegan.ops.matmul import Product


class _Square(NamedTuple):
    """Two-dimensional transforms: kron of the one-dimensional ones with themselves."""

    output: Matrix  # [m m, a a]
    kernel: Matrix  # [a a, r r]
    input: Matrix  # [a a, a a]


@cache
def _square(m: int, r: int) -> _Square:
    output, kernel, data = cook_toom(m, r)
    return _Square(np.kron(output, output), np.kron(kernel, kernel), np.kron(data, data))


def winograd(x: Pixels, w: tf.Tensor, product: Product, m: int) -> Pixels:
    """Correlate x of H x W pixels of C channels with w [2, r, r, C, K] without padding: (H - r + 1) x (W - r + 1) pixels of K.

    Tiles of m x m outputs take (m + r - 1)^2 instead of (m r)^2 multiplications. Sizes need not divide by m.
    """
    directions, r, _, c, k = w.shape
    batch, height, width = x.index.shape[1], x.height - r + 1, x.width - r + 1
    a, rows, columns = m + r - 1, -(-height // m), -(-width // m)
    square, tiles = _square(m, r), batch * rows * columns
    index = resized(x, rows * m + r - 1, columns * m + r - 1).index
    cut = np.stack([index[:, :, i : i + rows * m : m, j : j + columns * m : m] for i in range(a) for j in range(a)])
    v = tf.reshape(_apply(square.input, gather(x.rows, cut)), (a * a, directions, tiles, c))
    u = tf.reshape(_apply(square.kernel, tf.transpose(w, (1, 2, 0, 3, 4))), (a * a, directions, c, k))
    y = tf.reshape(_apply(square.output, product(v, u)), (-1, k))
    places = np.arange(y.shape[0], dtype=np.int32).reshape(m, m, directions, batch, rows, columns)
    places = places.transpose(2, 3, 4, 0, 5, 1).reshape(directions, batch, rows * m, columns * m, 1)
    return Pixels(y, places[:, :, :height, :width])


def _apply(matrix: Matrix, tensor: tf.Tensor) -> tf.Tensor:
    """matrix [q, p] times tensor whose leading axes multiply to p: [q, rest]."""
    return tf.constant(matrix, tensor.dtype) @ tf.reshape(tensor, (matrix.shape[1], -1))
