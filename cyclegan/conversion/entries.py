"""What the reference calls our parameters: the tensors of its state dicts, for a `ModelSpec` and a direction. Imports no TensorFlow.

The reference numbers the modules of a network, padding and activations included, and a tensor's key has its module's number. Before each
instance norm it has a bias, which has no effect and which we do not have.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count

import numpy as np
import numpy.typing as npt

from cyclegan.config import ModelSpec
from cyclegan.networks.generator_layers import Layer, generator_parts
from cyclegan.networks.shapes import discriminator_shapes
from ringcycle.domains import DIRECTIONS

NETWORKS = {"G_A": "G_AB", "G_B": "G_BA", "D_A": "D_B", "D_B": "D_A"}
"""Our name for each network of the reference, whose D_A judges what its G_A makes."""
CONVOLUTION = (3, 2, 0, 1)  # axes of our kernel [k, k, C, K] in the order of the reference's, [K, C, k, k]
TRANSPOSED = (2, 3, 0, 1)  # [C, K, k, k]
VECTOR = (0,)

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Entry:
    """A tensor of the reference, and the parameter that it is.

    name: of the parameter; None for a bias before a norm. axes: their order in the reference. shape: of the tensor; where it has fewer
    channels than the parameter, since the two domains differ, it is the first ones.
    """

    key: str
    shape: tuple[int, ...]
    name: str | None
    axes: tuple[int, ...] = VECTOR

    def theirs(self, parameters: Mapping[str, npt.NDArray[np.floating]]) -> Array:
        """The tensor, from the parameters of one direction by name, without the direction's axis."""
        if self.name is None:
            return np.zeros(self.shape, np.float32)
        return np.ascontiguousarray(self._window(parameters[self.name]), np.float32)

    def set_ours(self, parameters: Mapping[str, npt.NDArray[np.floating]], tensor: npt.NDArray[np.floating]) -> None:
        """Write the tensor into the parameters of one direction; channels that it lacks become 0."""
        if self.name is not None:
            parameters[self.name][...] = 0
            self._window(parameters[self.name])[...] = tensor

    def _window(self, parameter: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        return parameter.transpose(self.axes)[tuple(map(slice, self.shape))]


def direction_of(network: str) -> str:
    """The direction that a network of the reference makes or judges; its place along our direction axis is that of DIRECTIONS."""
    return DIRECTIONS["AB".index(network[-1])]


def network_entries(network: str, model: ModelSpec, dropout: bool = False) -> list[Entry]:
    """The tensors of one of NETWORKS. dropout: see `generator_entries`."""
    direction = direction_of(network)
    return generator_entries(model, direction, dropout) if network.startswith("G") else discriminator_entries(model, direction)


def generator_entries(model: ModelSpec, direction: str, dropout: bool = False) -> list[Entry]:
    """The tensors of the ResNet generator of "AtoB" (netG_A) or "BtoA" (netG_B).

    dropout: whether its blocks have dropout, which has no tensors but a number.
    """
    inputs, outputs = model.channels_of(direction)
    parts = generator_parts(model)
    first, last = parts[0].layers[0], parts[-1].layers[-1]
    found: list[Entry] = []
    numbers = count()
    for part in parts:
        inner, prefix = (count(), f"model.{next(numbers)}.conv_block.") if part.residual else (numbers, "model.")
        for layer in part.layers:
            channels = inputs if layer is first else layer.inputs, outputs if layer is last else layer.outputs
            found += _layer_entries(layer, prefix, inner, channels)
            if dropout and part.residual and layer.relu:
                next(inner)
    return found


def _layer_entries(layer: Layer, prefix: str, numbers: Iterator[int], channels: tuple[int, int]) -> list[Entry]:
    """The tensors of a layer; takes the numbers of its modules: padding, convolution, norm, and activation."""
    if layer.mode == "reflect" and not layer.transposed:
        next(numbers)
    module = f"{prefix}{next(numbers)}"
    for _ in range(1 if layer.bias else 1 + layer.relu):
        next(numbers)
    inputs, outputs = channels
    shape = (*(channels if layer.transposed else (outputs, inputs)), layer.side, layer.side)
    kernel = Entry(f"{module}.weight", shape, layer.kernel, TRANSPOSED if layer.transposed else CONVOLUTION)
    return [kernel, Entry(f"{module}.bias", (outputs,), layer.bias)]


def discriminator_entries(model: ModelSpec, direction: str) -> list[Entry]:
    """The tensors of the PatchGAN discriminator of what "AtoB" makes (netD_A, which judges B), or "BtoA" (netD_B)."""
    shapes = discriminator_shapes(model)
    kernels = [name for name in shapes if name.endswith("/kernel")]
    found: list[Entry] = []
    for i, kernel in enumerate(kernels):
        module = f"model.{max(0, 3 * i - 1)}"  # after the first one, a norm and an activation between two convolutions
        _, side, _, inputs, outputs = shapes[kernel]
        bias = kernel.replace("/kernel", "/bias")
        channels = inputs if i else model.channels_of(direction)[1]
        found += [
            Entry(f"{module}.weight", (outputs, channels, side, side), kernel, CONVOLUTION),
            Entry(f"{module}.bias", (outputs,), bias if bias in shapes else None),
        ]
    return found
