"""Which network a state dict of the reference holds: its sizes, from its tensors' shapes; then every tensor against them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from cyclegan.config import ImageFormat, ModelConfig, ModelSpec
from cyclegan.conversion.entries import Entry, discriminator_entries, generator_entries
from cyclegan.torch_files.tensors import Array

WRAPPERS = ("module.", "_orig_mod.")  # what DataParallel and torch.compile put before each key
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
BLOCK = re.compile(r"model\.(\d+)\.conv_block\.\d+\.weight")
FIRST_OF_GENERATOR, FIRST_OF_DISCRIMINATOR = "model.1.weight", "model.0.weight"
BATCH_NORM = "its norms have weights, as batch norms do, and only instance norms are converted"
OTHER_GENERATORS = {
    FIRST_OF_DISCRIMINATOR: "it is a discriminator",
    "model.model.0.weight": "it is a U-Net, and only ResNet generators are converted",
    "model.10.conv_block.0.weight": "its blocks are padded with zeros, not by reflection",
    "model.2.weight": BATCH_NORM,
}
OTHER_DISCRIMINATORS = {
    FIRST_OF_GENERATOR: "it is a generator",
    "model.3.weight": BATCH_NORM,
    "net.0.weight": "it is a discriminator of single pixels, and only patch discriminators are converted",
}
"""Tensors by which other networks of the reference are known, and what they are."""

Arrays = Mapping[str, Array]


class UnknownNetwork(Exception):
    """Tensors of a network that cannot be converted; the message is the reason, a short phrase about the file."""


@dataclass(frozen=True)
class FoundNetwork:
    """A network of the reference. tensors: float32, by key. inputs, outputs: channels. A discriminator has neither blocks nor dropout."""

    tensors: dict[str, npt.NDArray[np.float32]]
    filters: int
    inputs: int
    outputs: int
    blocks: int = 0
    dropout: bool = False


def find_generator(arrays: Arrays) -> FoundNetwork:
    """The ResNet generator in a state dict. Raises UnknownNetwork."""
    tensors = _known(arrays, OTHER_GENERATORS)
    filters, inputs, *_ = _kernel_shape(tensors, FIRST_OF_GENERATOR)
    blocks = len({match[1] for key in tensors if (match := BLOCK.fullmatch(key))})
    dropout = any(key.endswith(".conv_block.6.weight") for key in tensors)
    sizes = {"filters": filters, "blocks": blocks}
    last = generator_entries(_model(sizes, inputs, 1), "AtoB", dropout)[-2].key
    outputs, *_ = _kernel_shape(tensors, last)
    entries = generator_entries(_model(sizes, inputs, outputs), "AtoB", dropout)
    found = _checked(tensors, entries, f"a ResNet generator with {filters} filters and {blocks} blocks")
    return FoundNetwork(found, filters, inputs, outputs, blocks, dropout)


def find_discriminator(arrays: Arrays) -> FoundNetwork:
    """The PatchGAN discriminator in a state dict. Raises UnknownNetwork."""
    tensors = _known(arrays, OTHER_DISCRIMINATORS)
    filters, inputs, *_ = _kernel_shape(tensors, FIRST_OF_DISCRIMINATOR)
    entries = discriminator_entries(_model({"discriminator_filters": filters}, inputs, inputs), "AtoB")
    return FoundNetwork(_checked(tensors, entries, f"a PatchGAN discriminator with {filters} filters"), filters, inputs, 1)


def _known(arrays: Arrays, others: Mapping[str, str]) -> dict[str, Array]:
    """The tensors that matter, under the reference's keys.

    Files from before PyTorch 0.4 have statistics of instance norms, which nothing used; the reference drops them, too.
    """
    keys = {key: _unwrapped(key) for key in arrays}
    norms = {key.rpartition(".")[0] for key in keys.values()} - {key.removesuffix(".weight") for key in keys.values()}
    unused = {f"{norm}.{statistic}" for norm in norms for statistic in STATISTICS}
    tensors = {new: arrays[key] for key, new in keys.items() if new not in unused}
    for key, fact in others.items():
        if key in tensors:
            raise UnknownNetwork(fact)
    return tensors


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


def _model(sizes: Mapping[str, int], inputs: int, outputs: int) -> ModelSpec:
    try:
        return ModelSpec.of(ModelConfig.model_validate(sizes), ImageFormat(channels_a=inputs, channels_b=outputs))
    except ValidationError as error:
        first = error.errors()[0]
        bound = first["msg"].removeprefix("Input ")
        raise UnknownNetwork(f"it has {first['loc'][0]} = {first['input']}, which {bound}") from error


def _checked(tensors: Arrays, entries: Sequence[Entry], kind: str) -> dict[str, npt.NDArray[np.float32]]:
    """The tensors as float32. Raises UnknownNetwork at the first difference from `entries`."""
    shapes = {entry.key: entry.shape for entry in entries}
    if difference := _difference(tensors, shapes):
        raise UnknownNetwork(f"of {kind}, {difference}")
    return {key: tensors[key].astype(np.float32) for key in shapes}


def _difference(tensors: Arrays, shapes: Mapping[str, tuple[int, ...]]) -> str:
    for key, shape in shapes.items():
        if key not in tensors:
            return f"it lacks {key}"
        array = tensors[key]
        if array.shape != shape or array.dtype.kind != "f":
            return f"its {key} should be float32 {list(shape)}, but is {array.dtype} {list(array.shape)}"
        if not np.isfinite(array).all():
            return f"its {key} holds numbers that are not finite"
    return _surplus(tensors.keys() - shapes.keys())


def _surplus(keys: Iterable[str]) -> str:
    return next((f"it should not have {key[:100]}" for key in sorted(keys)), "")
