"""Which network a state dict of the reference holds: kind and sizes, from its tensors' names and shapes; then every tensor against them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from cyclegan.config import ImageFormat, ModelConfig, ModelSpec
from cyclegan.conversion.entries import STATISTICS, Entry
from cyclegan.conversion.network_entries import network_entries
from cyclegan.conversion.options import UNETS
from cyclegan.torch_files.tensors import Array

WRAPPERS = ("module.", "_orig_mod.")  # what DataParallel and torch.compile put before each key
RESNET, UNET, PATCHES, PIXELS = "model.1.weight", "model.model.0.weight", "model.0.weight", "net.0.weight"
"""The first kernel of each kind of network."""
BLOCK = re.compile(r"model\.(\d+)\.conv_block\.\d+\.weight")

Arrays = Mapping[str, Array]
Settings = dict[str, str | int]


class UnknownNetwork(Exception):
    """Tensors of a network that cannot be converted; the message is the reason, a short phrase about the file."""


@dataclass(frozen=True)
class FoundNetwork:
    """A network of the reference. tensors: float32, by key. settings: fields of `ModelConfig`. inputs, outputs: channels.

    dropout: whether the blocks of a resnet have it; a U-Net does not show it. statistics: whether batch norms have running ones.
    """

    tensors: dict[str, npt.NDArray[np.float32]]
    settings: Settings
    inputs: int
    outputs: int
    dropout: bool = False
    statistics: bool = False


def find_generator(arrays: Arrays) -> FoundNetwork:
    """The generator in a state dict: a ResNet or a U-Net. Raises UnknownNetwork."""
    tensors = _known(arrays)
    if PATCHES in tensors or PIXELS in tensors:
        raise UnknownNetwork("it is a discriminator")
    return _find_unet(tensors) if UNET in tensors else _find_resnet(tensors)


def find_discriminator(arrays: Arrays) -> FoundNetwork:
    """The discriminator in a state dict: of patches or of pixels. Raises UnknownNetwork."""
    tensors = _known(arrays)
    if RESNET in tensors or UNET in tensors:
        raise UnknownNetwork("it is a generator")
    if PIXELS in tensors:
        settings, first = _settings(discriminator="pixel", norm=_norm(tensors, "net.2.bias")), PIXELS
    else:
        layers = sum(tensor.ndim == 4 for tensor in tensors.values()) - 2
        kind = _settings(discriminator="basic") if layers == 3 else _settings(discriminator="n_layers", discriminator_layers=layers)
        settings, first = {**kind, "norm": _norm(tensors, "model.2.bias")}, PATCHES
    filters, inputs, *_ = _kernel_shape(tensors, first)
    settings["discriminator_filters"] = filters
    return _found(tensors, "D_A", settings, inputs, inputs)


def _find_resnet(tensors: Arrays) -> FoundNetwork:
    if "model.10.conv_block.0.weight" in tensors:
        raise UnknownNetwork("its blocks are padded with zeros, not by reflection")
    filters, inputs, *_ = _kernel_shape(tensors, RESNET)
    blocks = len({match[1] for key in tensors if (match := BLOCK.fullmatch(key))})
    settings = _settings(generator="resnet", filters=filters, blocks=blocks, norm=_norm(tensors, "model.1.bias"))
    dropout = any(key.endswith(".conv_block.6.weight") and tensors[key].ndim == 4 for key in tensors)
    last = next(e.key for e in reversed(network_entries("G_A", _model(settings, inputs, 1), dropout)) if e.key.endswith("weight"))
    outputs, *_ = _kernel_shape(tensors, last)
    return _found(tensors, "G_A", settings, inputs, outputs, dropout)


def _find_unet(tensors: Arrays) -> FoundNetwork:
    filters, inputs, *_ = _kernel_shape(tensors, UNET)
    _, outputs, *_ = _kernel_shape(tensors, "model.model.3.weight")
    depth, below = 1, "model.model.1.model."
    while f"{below}1.weight" in tensors:
        depth, below = depth + 1, f"{below}3.model."
    kind = _settings(generator=UNETS[depth]) if depth in UNETS else _settings(generator="unet", unet_depth=depth)
    settings = {**kind, "filters": filters, "norm": _norm(tensors, "model.model.0.bias")}
    return _found(tensors, "G_A", settings, inputs, outputs)


def _settings(**settings: str | int) -> Settings:
    return settings


def _norm(tensors: Arrays, bias: str) -> str:
    """The norm: batch norms have weights; instance norm gives the network this bias."""
    if any(key.endswith(".weight") and tensor.ndim == 1 for key, tensor in tensors.items()):
        return "batch"
    return "instance" if bias in tensors else "none"


def _known(arrays: Arrays) -> dict[str, Array]:
    """The tensors that matter, under the reference's keys.

    Files from before PyTorch 0.4 have statistics of instance norms, which nothing used; the reference drops them, too.
    """
    keys = {key: _unwrapped(key) for key in arrays}
    norms = {key.rpartition(".")[0] for key in keys.values()} - {key.removesuffix(".weight") for key in keys.values()}
    unused = {f"{norm}.{statistic}" for norm in norms for statistic in STATISTICS}
    return {new: arrays[key] for key, new in keys.items() if new not in unused}


def _unwrapped(key: str) -> str:
    for wrapper in WRAPPERS:
        key = key.removeprefix(wrapper)
    return key


def _kernel_shape(tensors: Arrays, key: str) -> tuple[int, ...]:
    if key not in tensors:
        raise UnknownNetwork(f"it has no {key}")
    if tensors[key].ndim != 4:
        raise UnknownNetwork(f"its {key} has the shape {list(tensors[key].shape)}, which is no kernel's")
    return tensors[key].shape


def _model(settings: Settings, inputs: int, outputs: int) -> ModelSpec:
    try:
        return ModelSpec.of(ModelConfig.model_validate(settings), ImageFormat(channels_a=inputs, channels_b=outputs))
    except ValidationError as error:
        first = error.errors()[0]
        bound = first["msg"].removeprefix("Input ")
        raise UnknownNetwork(f"it has {first['loc'][0]} = {first['input']}, which {bound}") from error


def _found(tensors: Arrays, network: str, settings: Settings, inputs: int, outputs: int, dropout: bool = False) -> FoundNetwork:
    """The network, once each of its tensors is as it should be. Raises UnknownNetwork at the first difference."""
    entries = network_entries(network, _model(settings, inputs, outputs), dropout)
    if difference := _difference(tensors, entries):
        kind = ", ".join(f"{name} = {value}" for name, value in settings.items())
        raise UnknownNetwork(f"by its tensors it has {kind}, but {difference}")
    used = {entry.key: tensors[entry.key].astype(np.float32) for entry in entries if not entry.optional}
    return FoundNetwork(used, settings, inputs, outputs, dropout, len(used) < len(entries))


def _difference(tensors: Arrays, entries: Sequence[Entry]) -> str:
    for entry in entries:
        if entry.optional:
            continue
        if entry.key not in tensors:
            return f"it lacks {entry.key}"
        array = tensors[entry.key]
        if array.shape != entry.shape or array.dtype.kind != "f":
            return f"its {entry.key} should be float32 {list(entry.shape)}, but is {array.dtype} {list(array.shape)}"
        if not np.isfinite(array).all():
            return f"its {entry.key} holds numbers that are not finite"
    surplus = tensors.keys() - {entry.key for entry in entries}
    return f"it should not have {min(surplus)[:100]}" if surplus else ""
