"""Kinds of networks, and weights and images by formula: the same here and where PyTorch is installed. Imports no PyTorch, no TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from ringcycle.hashing import generator

FILTERS, BLOCKS, DEPTH, HEIGHT, WIDTH = 4, 2, 5, 32, 64
NETWORKS = ("G_A", "G_B", "D_A", "D_B")


@dataclass(frozen=True)
class Kind:
    """A choice of networks. layers: strides of 2 of the discriminator; 0: it judges pixels."""

    unet: bool = False
    norm: str = "instance"
    layers: int = 3
    dropout: bool = False

    @property
    def model(self) -> dict[str, str | int]:
        """The fields of our `ModelConfig`."""
        judge = {0: "pixel", 3: "basic"}.get(self.layers, "n_layers")
        sizes = {"generator": "unet", "unet_depth": DEPTH} if self.unet else {"generator": "resnet", "blocks": BLOCKS}
        layers = {"discriminator_layers": self.layers} if judge == "n_layers" else {}
        return {"filters": FILTERS, "discriminator_filters": FILTERS, "norm": self.norm, "discriminator": judge, **sizes, **layers}


KINDS = {
    "resnet": Kind(),
    "dropout": Kind(dropout=True),
    "batch": Kind(norm="batch", layers=2, dropout=True),
    "none": Kind(norm="none", layers=0),
    "unet": Kind(unet=True, layers=1),
    "unet_batch": Kind(unet=True, norm="batch", layers=0, dropout=True),
    "unet_none": Kind(unet=True, norm="none"),
}


def formula_tensors(network: str, shapes: Mapping[str, list[int]]) -> dict[str, np.ndarray]:
    """The tensors of a state dict by key; each layer's result varies about as much as its input."""
    return {key: _tensor(network, key, tuple(shape)) for key, shape in shapes.items()}


def _tensor(network: str, key: str, shape: tuple[int, ...]) -> np.ndarray:
    if key.endswith("num_batches_tracked"):
        return np.array(7)
    deviation = (2 / prod(shape[1:])) ** 0.5 if len(shape) > 1 else 0.5
    values = generator(0, f"{network} {key}").normal(0, deviation, shape).astype(np.float32)
    return np.abs(values) if key.endswith("running_var") else values


def formula_images(channels: int = 3) -> np.ndarray:
    """Two images [2, H, W, C] in [-1, 1], float32."""
    return generator(0, "images").uniform(-1, 1, (2, HEIGHT, WIDTH, channels)).astype(np.float32)


def sampled(images: np.ndarray) -> np.ndarray:
    """A part of the pixels that is small enough to be kept."""
    return images[:, ::3, ::5]
