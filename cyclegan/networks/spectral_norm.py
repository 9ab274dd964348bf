"""Spectral norm of the discriminators' kernels (arXiv 1802.05957, algorithm 1).

A kernel [k, k, C, K] is the matrix [k k C, K]. Its largest singular value is estimated from a vector u [K], which one power iteration
after each update keeps close to the singular vector. All vectors are one flat variable, equal on all workers as the weights are.
"""

from collections.abc import Mapping

import tensorflow as tf

Parameters = Mapping[str, tf.Tensor]
FIRST_ITERATIONS = 15  # as PyTorch begins


def divided(parameters: Parameters, vectors: Parameters) -> dict[str, tf.Tensor]:
    """The parameters, each kernel divided by its spectral norm. Gradients reach the kernels, not the vectors."""
    result = dict(parameters)
    for name, u in vectors.items():
        matrix = _matrix(parameters[name])
        v, u = _iterated(tf.stop_gradient(matrix), u)
        norm = tf.reduce_sum(v * tf.linalg.matvec(matrix, u), -1)
        result[name] = parameters[name] / norm[:, None, None, None, None]
    return result


def iterated(parameters: Parameters, vectors: Parameters) -> dict[str, tf.Tensor]:
    """The vectors after one power iteration."""
    return {name: _iterated(_matrix(parameters[name]), u)[1] for name, u in vectors.items()}


def _matrix(kernel: tf.Tensor) -> tf.Tensor:
    return tf.reshape(kernel, (kernel.shape[0], -1, kernel.shape[-1]))


def _iterated(matrix: tf.Tensor, u: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Left and right vector [2, k k C] and [2, K] of the matrix [2, k k C, K]."""
    v = tf.linalg.l2_normalize(tf.linalg.matvec(matrix, u), -1)
    return v, tf.linalg.l2_normalize(tf.linalg.matvec(matrix, v, transpose_a=True), -1)
