"""The tensors of each network of the reference, in its order, from our lists of layers. A kind of network is added here. No TensorFlow.

The reference numbers the modules of a sequence, padding, norms and activations included, and a tensor's key has its module's number.
"""

from itertools import count

from cyclegan.config import ModelSpec
from cyclegan.conversion.entries import Entry, batch_norm, convolution, transposed
from cyclegan.networks.discriminator_layers import discriminator_layers
from cyclegan.networks.generator_layers import generator_parts
from cyclegan.networks.layer import Layer
from cyclegan.networks.shapes import layers_of_generator
from cyclegan.networks.unet_layers import unet_levels
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
    first, *_, last = layers_of_generator(model)
    found: list[Entry] = []
    numbers = count()
    for part in generator_parts(model):
        inner, prefix = (count(), f"model.{next(numbers)}.conv_block.") if part.residual else (numbers, "model.")
        for layer in part.layers:
            assert not layer.doubled, "the reference has no such layer"
            channels = taken if layer == first else layer.inputs, made if layer == last else layer.outputs
            if layer.mode == "reflect" and not layer.transposed:
                next(inner)  # the padding
            module, norm = f"{prefix}{next(inner)}", f"{prefix}{next(inner)}"  # in the last place of norms, tanh
            found += _layer(layer, module, norm, channels)
            if layer.slope is not None:
                next(inner)  # the activation
            if dropout and part.residual and layer is part.layers[0]:
                next(inner)
    return found


def _unet(model: ModelSpec, taken: int, made: int) -> list[Entry]:
    """Each level's modules: what goes down, the level below as a module of its own, what goes up."""
    levels = unet_levels(model)
    outer, inner = levels[0], levels[-1]

    def at(index: int, prefix: str) -> list[Entry]:
        level = levels[index]
        down = taken if level is outer else level.down.inputs, level.down.outputs
        up = level.up.inputs, made if level is outer else level.up.outputs
        number = 0 if level is outer else 1  # an activation comes first
        found = _layer(level.down, f"{prefix}{number}", f"{prefix}{number + 1}", down)
        number += 1
        if level is not inner:
            number += level is not outer  # a norm
            found += at(index + 1, f"{prefix}{number}.model.")
            number += 1
        number += 1  # an activation
        return found + _layer(level.up, f"{prefix}{number}", f"{prefix}{number + 1}", up)

    return at(0, "model.model.")


def _discriminator(model: ModelSpec, judged: int) -> list[Entry]:
    prefix = "net." if model.discriminator == "pixel" else "model."
    found: list[Entry] = []
    numbers = count()
    first, *inner, last = discriminator_layers(model)
    for layer in (first, *inner, last):
        channels = judged if layer is first else layer.inputs, layer.outputs
        module = f"{prefix}{next(numbers)}"
        found += _layer(layer, module, f"{prefix}{next(numbers)}" if layer in inner else "", channels)
        next(numbers)  # the activation
    return found


def _layer(layer: Layer, module: str, norm: str, channels: tuple[int, int]) -> list[Entry]:
    """The tensors of a layer whose convolution and norm are these modules. channels: taken and made, where the domains differ."""
    make = transposed if layer.transposed else convolution
    found = make(module, layer.kernel, layer.side, channels, layer.bias, surplus=layer.norm and not layer.affine)
    return found + (batch_norm(norm, layer.scale, layer.shift, layer.outputs) if layer.affine else [])
