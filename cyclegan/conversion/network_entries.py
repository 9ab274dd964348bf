"""The tensors of each network of the reference, in its order, from our lists of layers. A kind of network is added here. No TensorFlow.

The reference numbers the modules of a sequence, padding, norms and activations included, and a tensor's key has its module's number.
"""

from collections.abc import Iterator
from itertools import count

from cyclegan.config import ModelSpec
from cyclegan.conversion.entries import Entry, batch_norm, convolution, transposed
from cyclegan.networks.discriminator_layers import discriminator_layers
from cyclegan.networks.generator_layers import Layer, generator_parts, scale_of, shift_of
from cyclegan.networks.unet_layers import SIDE, Convolution, unet_levels
from ringcycle.domains import DIRECTIONS

NETWORKS = {"G_A": "G_AB", "G_B": "G_BA", "D_A": "D_B", "D_B": "D_A"}
"""Our name for each network of the reference, whose D_A judges what its G_A makes."""


def direction_of(network: str) -> str:
    """The direction that a network of the reference makes or judges; its place along our direction axis is that of DIRECTIONS."""
    return DIRECTIONS["AB".index(network[-1])]


def network_entries(network: str, model: ModelSpec, dropout: bool = False) -> list[Entry]:
    """The tensors of one of NETWORKS. dropout: whether the blocks of a resnet have dropout, which has no tensors but a number."""
    taken, made = model.channels_of(direction_of(network))
    if network.startswith("D"):
        return _discriminator(model, made)
    return _resnet(model, taken, made, dropout) if model.generator == "resnet" else _unet(model, taken, made)


def _resnet(model: ModelSpec, taken: int, made: int, dropout: bool) -> list[Entry]:
    parts = generator_parts(model)
    first, last = parts[0].layers[0], parts[-1].layers[-1]
    found: list[Entry] = []
    numbers = count()
    for part in parts:
        inner, prefix = (count(), f"model.{next(numbers)}.conv_block.") if part.residual else (numbers, "model.")
        for layer in part.layers:
            channels = taken if layer is first else layer.inputs, made if layer is last else layer.outputs
            found += _resnet_layer(layer, model, prefix, inner, channels)
            if dropout and part.residual and layer.relu:
                next(inner)
    return found


def _resnet_layer(layer: Layer, model: ModelSpec, prefix: str, numbers: Iterator[int], channels: tuple[int, int]) -> list[Entry]:
    """The tensors of a layer; takes the numbers of its modules: padding, convolution, norm (also if it is none) and activation."""
    assert not layer.doubled, "the reference has no such layer"
    if layer.mode == "reflect" and not layer.transposed:
        next(numbers)
    make, module = transposed if layer.transposed else convolution, f"{prefix}{next(numbers)}"
    found = make(module, layer.kernel, layer.side, channels, layer.bias, surplus=model.norm == "instance")
    if not layer.bias:
        norm = f"{prefix}{next(numbers)}"
        found += batch_norm(norm, layer.scale, layer.shift, layer.outputs) if layer.affine else []
    if layer.bias or layer.relu:
        next(numbers)
    return found


def _unet(model: ModelSpec, taken: int, made: int) -> list[Entry]:
    """Each level's modules: what goes down, the level below as a module of its own, what goes up."""
    levels = unet_levels(model)
    outer, inner = levels[0], levels[-1]

    def layer(layer: Convolution, prefix: str, number: int) -> list[Entry]:
        make = transposed if layer.name.startswith("up") else convolution
        channels = taken if layer is outer.down else layer.inputs, made if layer is outer.up else layer.outputs
        bias = f"{layer.name}/bias" if layer.bias else None
        found = make(f"{prefix}{number}", layer.kernel, SIDE, channels, bias, surplus=model.norm == "instance")
        norm = f"{prefix}{number + 1}"
        return found + (batch_norm(norm, f"{layer.name}/scale", f"{layer.name}/shift", layer.outputs) if layer.affine else [])

    def at(index: int, prefix: str) -> list[Entry]:
        level = levels[index]
        number = 0 if level is outer else 1  # an activation comes first
        found = layer(level.down, prefix, number)
        number += 1
        if level is not inner:
            number += level is not outer  # a norm
            found += at(index + 1, f"{prefix}{number}.model.")
            number += 1
        return found + layer(level.up, prefix, number + 1)  # after an activation

    return at(0, "model.model.")


def _discriminator(model: ModelSpec, judged: int) -> list[Entry]:
    prefix = "net." if model.discriminator == "pixel" else "model."
    found: list[Entry] = []
    numbers = count()
    layers = discriminator_layers(model)
    for layer in layers:
        channels = judged if layer is layers[0] else layer.inputs, layer.outputs
        bias = f"{layer.name}/bias" if layer.bias else None
        found += convolution(f"{prefix}{next(numbers)}", layer.kernel, layer.side, channels, bias, surplus=layer.norm and not layer.affine)
        if layer is not layers[0] and not layer.last:
            norm = f"{prefix}{next(numbers)}"
            found += batch_norm(norm, scale_of(layer.kernel), shift_of(layer.kernel), layer.outputs) if layer.affine else []
        next(numbers)
    return found
