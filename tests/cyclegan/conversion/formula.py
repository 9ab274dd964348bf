"""Weights and images by formula: the same numbers here and where PyTorch is installed. Imports neither PyTorch nor TensorFlow."""

from collections.abc import Mapping

import numpy as np

from ringcycle.hashing import generator

FILTERS, BLOCKS, HEIGHT, WIDTH = 4, 2, 32, 40
NETWORKS = ("G_A", "G_B", "D_A", "D_B")


def formula_tensors(network: str, shapes: Mapping[str, list[int]]) -> dict[str, np.ndarray]:
    """The tensors of a state dict by key; kernels small enough that tanh is not saturated."""
    return {key: _tensor(f"{network} {key}", tuple(shape)) for key, shape in shapes.items()}


def _tensor(purpose: str, shape: tuple[int, ...]) -> np.ndarray:
    return generator(0, purpose).normal(0, 0.1 if len(shape) > 1 else 0.5, shape).astype(np.float32)


def formula_images(channels: int = 3) -> np.ndarray:
    """Two images [2, H, W, C] in [-1, 1], float32."""
    return generator(0, "images").uniform(-1, 1, (2, HEIGHT, WIDTH, channels)).astype(np.float32)
