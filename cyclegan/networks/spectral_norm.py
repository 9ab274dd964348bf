"""Spectral norm of the discriminators' kernels (arXiv 1802.05957, algorithm 1).

A kernel [k, k, C, K] is the matrix [k k C, K]. Its largest singular value is estimated from a vector u [K], which one power iteration
after each update keeps close to the singular vector. All vectors are one flat variable, equal on all workers as the weights are.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import tensorflow as tf

from cyclegan.config import ModelSpec
from cyclegan.networks.flat_parameters import FlatParameters
from cyclegan.networks.shapes import spectral_shapes

Parameters = Mapping[str, tf.Tensor]
FIRST_ITERATIONS = 15  # as PyTorch begins


@dataclass(frozen=True)
class SpectralNorm:
    """The vectors of all kernels: a variable `[size]`, and the names of its parts. parameters: of the discriminators, by name."""

    layout: FlatParameters
    vectors: tf.Variable

    def divide(self, parameters: Parameters) -> dict[str, tf.Tensor]:
        """See `divided`."""
        return divided(parameters, self.layout.split(self.vectors.read_value()))

    def iterate(self, parameters: Parameters) -> None:
        """One power iteration, in place."""
        self.vectors.assign(self.layout.join(iterated(parameters, self.layout.split(self.vectors.read_value()))))

    def estimate(self, parameters: Parameters, seed: int) -> None:
        """Begin anew, at random vectors."""
        self.vectors.assign(self.layout.initial(seed))
        for _ in range(FIRST_ITERATIONS):
            self.iterate(parameters)


def make_spectral_norm(spec: ModelSpec, dtype: tf.DType) -> SpectralNorm:
    """All vectors, zero."""
    layout = FlatParameters(spectral_shapes(spec), dtype)
    return SpectralNorm(layout, tf.Variable(tf.zeros([layout.size], dtype)))


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
