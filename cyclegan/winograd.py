"""Stride-1 convolution by Winograd's minimal filtering, as constant matrices around one batched product (arXiv 1509.09308).

Letters: m outputs and a = m + r - 1 inputs along a tile's side, r kernel side, T tiles of all pictures of one direction.
With Y = A^T [ (G w G^T) * (B^T d B) ] A, each two-sided product is one matrix, kron of the two sides, applied to all tiles at once.
The adjoint is written by hand: automatic differentiation of the overlapping tiles is several times slower.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from cyclegan.cook_toom import Matrix, cook_toom


class _Square(NamedTuple):
    """Two-dimensional transforms: kron of the one-dimensional ones with themselves."""

    output: Matrix  # [m m, a a]
    kernel: Matrix  # [a a, r r]
    input: Matrix  # [a a, a a]


@cache
def _square(m: int, r: int) -> _Square:
    output, kernel, data = cook_toom(m, r)
    return _Square(np.kron(output, output), np.kron(kernel, kernel), np.kron(data, data))


def winograd(x: tf.Tensor, w: tf.Tensor, m: int) -> tf.Tensor:
    """Correlate x [2, B, H, W, C] with w [2, r, r, C, K] without padding: [2, B, H - r + 1, W - r + 1, K].

    Tiles of m x m outputs take (m + r - 1)^2 instead of (m r)^2 multiplications; m >= r - 1. Sizes need not divide by m.
    """
    r = w.shape[1]
    height, width = x.shape[2] - r + 1, x.shape[3] - r + 1
    bottom, right = -height % m, -width % m
    if bottom or right:
        x = tf.pad(x, [[0, 0], [0, 0], [0, bottom], [0, right], [0, 0]])
    y = _whole_tiles(x, w, m)
    return y[:, :, :height, :width] if bottom or right else y


def _whole_tiles(x: tf.Tensor, w: tf.Tensor, m: int) -> tf.Tensor:
    _, batch, height, width, c = x.shape
    r, k = w.shape[1], w.shape[-1]
    a, rows, columns = m + r - 1, (height - r + 1) // m, (width - r + 1) // m
    tiles = batch * rows * columns
    square = _square(m, r)

    @tf.custom_gradient
    def convolve(x: tf.Tensor, w: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
        v = tf.reshape(_apply(square.input, _gather(x, m, a)), (a * a, 2, tiles, c))
        u = tf.reshape(_apply(square.kernel, tf.transpose(w, (1, 2, 0, 3, 4))), (a * a, 2, c, k))
        y = tf.reshape(_apply(square.output, v @ u), (m, m, 2, batch, rows, columns, k))
        y = tf.reshape(tf.transpose(y, (2, 3, 4, 0, 5, 1, 6)), (2, batch, rows * m, columns * m, k))

        def gradient(dy: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            dy = tf.transpose(tf.reshape(dy, (2, batch, rows, m, columns, m, k)), (3, 5, 0, 1, 2, 4, 6))
            dproduct = tf.reshape(_apply(square.output.T, dy), (a * a, 2, tiles, k))
            dv = tf.matmul(dproduct, u, transpose_b=True)
            dtiles = tf.reshape(_apply(square.input.T, dv), (a, a, 2, batch, rows, columns, c))
            dx = _fold(tf.stack([_fold(dtiles[i], 3, m) for i in range(a)]), 2, m)
            du = tf.matmul(v, dproduct, transpose_a=True)
            dw = tf.reshape(_apply(square.kernel.T, du), (r, r, 2, c, k))
            return dx, tf.transpose(dw, (2, 0, 1, 3, 4))

        return y, gradient

    return convolve(x, w)


def _apply(matrix: Matrix, tensor: tf.Tensor) -> tf.Tensor:
    """matrix [q, p] times tensor whose leading axes multiply to p: [q, rest]."""
    return tf.constant(matrix, tensor.dtype) @ tf.reshape(tensor, (matrix.shape[1], -1))


def _gather(x: tf.Tensor, m: int, a: int) -> tf.Tensor:
    """Tiles of side a every m pixels: [a a, 2, B, rows, columns, C]."""
    height, width = x.shape[2] - a + 1, x.shape[3] - a + 1
    return tf.stack([x[:, :, i : i + height : m, j : j + width : m] for i in range(a) for j in range(a)])


def _fold(parts: tf.Tensor, axis: int, m: int) -> tf.Tensor:
    """Adjoint of cutting overlapping tiles along one axis: parts [a, ...] with n tiles at `axis` to n m + a - m places, summed."""
    a, shape = parts.shape[0], list(parts.shape[1:])
    n, overlap = shape[axis], a - m

    def interleave(parts: tf.Tensor) -> tf.Tensor:
        return tf.reshape(tf.stack(tf.unstack(parts), axis + 1), [*shape[:axis], n * m, *shape[axis + 1 :]])

    def padded(tensor: tf.Tensor, before: int, after: int) -> tf.Tensor:
        return tf.pad(tensor, [[before, after] if i == axis else [0, 0] for i in range(len(shape))])

    # Not a concatenation with zeros: TensorFlow would fold each into a constant of megabytes that lives as long as the program.
    rest = tf.pad(parts[m:], [[0, 2 * m - a], *[[0, 0]] * len(shape)])
    own, next_tiles = interleave(parts[:m]), interleave(rest)
    kept = tf.split(next_tiles, [n * m - (2 * m - a), 2 * m - a], axis)[0]
    return padded(own, 0, overlap) + padded(kept, m, 0)
