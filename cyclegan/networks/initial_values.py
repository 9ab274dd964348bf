"""Initial values of parameters, with the distributions and names of the reference code's --init_type. Imports no TensorFlow."""

from dataclasses import dataclass
from math import prod, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from cyclegan.config import ModelSpec
from cyclegan.networks.shapes import layers_of_generator
from ringcycle.hashing import generator

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class InitialValues:
    """Distribution of the kernels, as in `ModelConfig.init`; biases are 0, scales of norms N(1, gain), shifts 0.

    gain: deviation of normal (paper, section 7.2: 0.02), factor of xavier (Glorot & Bengio 2010) and of orthogonal (arXiv 1312.6120);
    kaiming (arXiv 1502.01852, ReLU) has none. transposed: kernels that PyTorch stores with inputs first, which counts for the last two.
    """

    kind: str = "normal"
    gain: float = 0.02
    transposed: frozenset[str] = frozenset()

    def __call__(self, seed: int, name: str, shape: tuple[int, ...]) -> Array:
        """Values [2, …] of one parameter; they depend on (seed, name) and the shape only."""
        if name.endswith("bias") or "/shift" in name:
            return np.zeros(shape)
        random = generator(seed, f"initial {name}")
        if "/scale" in name:
            return random.normal(1.0, self.gain, shape)
        if self.kind == "orthogonal":
            return np.stack([self._orthogonal(random, name, shape[1:]) for _ in range(shape[0])])
        return random.normal(0.0, self._deviation(name, shape), shape)

    def _deviation(self, name: str, shape: tuple[int, ...]) -> float:
        if self.kind == "normal":
            return self.gain
        _, side, _, inputs, outputs = shape
        if self.kind == "xavier":
            return self.gain * sqrt(2 / (side * side * (inputs + outputs)))
        return sqrt(2 / (side * side * (outputs if name in self.transposed else inputs)))

    def _orthogonal(self, random: np.random.Generator, name: str, shape: tuple[int, ...]) -> Array:
        """A kernel [k, k, C, K] whose rows, one for each output, or for each input of a transposed one, are orthogonal."""
        rows = shape[2] if name in self.transposed else shape[3]
        matrix = random.normal(size=(rows, prod(shape) // rows))
        q, r = np.linalg.qr(matrix.T if rows < matrix.shape[1] else matrix)
        q = q * np.sign(np.diag(r))
        unit = q.T if rows < matrix.shape[1] else q
        kernel: npt.NDArray[Any] = unit.reshape(rows, *shape[:2], -1)
        return self.gain * kernel.transpose((1, 2, 0, 3) if name in self.transposed else (1, 2, 3, 0))


def initial_values(spec: ModelSpec) -> InitialValues:
    """The distributions that the settings name."""
    transposed = frozenset(layer.kernel for layer in layers_of_generator(spec) if layer.transposed)
    return InitialValues(spec.init, spec.init_gain, transposed)
