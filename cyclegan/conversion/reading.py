"""Networks of the reference, read from their files and checked: of one training, and of kinds and sizes that we have."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cyclegan.config import ImageFormat, ModelConfig, ModelSpec
from cyclegan.conversion.network_entries import NETWORKS, network_entries
from cyclegan.conversion.recognition import FoundNetwork, UnknownNetwork, find_discriminator, find_generator
from cyclegan.conversion.reference_files import CURE
from cyclegan.torch_files.state_dict import read_state_dict
from ringcycle.errors import UserError


@dataclass(frozen=True)
class ReferenceNetworks:
    """The networks that were found, at least one generator, by the reference's names, and our model of their sizes."""

    found: dict[str, FoundNetwork]
    model: ModelSpec

    @property
    def missing(self) -> list[str]:
        """Our names of the networks that were not found."""
        return [ours for network, ours in NETWORKS.items() if network not in self.found]

    def remarks(self) -> Iterator[str]:
        """What the user should know of what is not converted, in a line each."""
        entries = {network: network_entries(network, self.model, found.dropout) for network, found in self.found.items()}
        unused = [self.found[n].tensors[e.key] for n in entries for e in entries[n] if e.name is None and not e.optional]
        if any(bias.any() for bias in unused):
            yield f"left out: {len(unused)} biases before instance norms, on which no result depends"
        if any(found.dropout for found in self.found.values()):
            yield "left out: dropout, as with the reference's --eval; train.dropout = 0.5 trains on with it"
        if any(found.statistics for found in self.found.values()):
            yield "left out: running statistics of batch norms; each image is translated with its own, as without the reference's --eval"


def read_networks(files: Mapping[str, Path]) -> ReferenceNetworks:
    """Read the networks of one training. Raises UserError for the first file that holds none, or does not fit the others."""
    found = {network: _read(network, path) for network, path in files.items()}
    names = dict.fromkeys(name for network in found.values() for name in network.settings)
    settings = {name: _common(files, name, {n: f.settings[name] for n, f in found.items() if name in f.settings}) for name in names}
    channels_a = _common(files, "channels of domain A", _channels(found, G_A="inputs", G_B="outputs", D_B="inputs"))
    channels_b = _common(files, "channels of domain B", _channels(found, G_A="outputs", G_B="inputs", D_A="inputs"))
    images = ImageFormat.model_validate({"channels_a": channels_a, "channels_b": channels_b})
    return ReferenceNetworks(found, ModelSpec.of(ModelConfig.model_validate(settings), images))


def _read(network: str, path: Path) -> FoundNetwork:
    try:
        return (find_generator if network.startswith("G") else find_discriminator)(read_state_dict(path, CURE).arrays)
    except UnknownNetwork as reason:
        kind = "generator" if network.startswith("G") else "discriminator"
        raise UserError(f"{path} is not a {kind} that can be converted ({reason}): {CURE}") from reason


def _channels(found: Mapping[str, FoundNetwork], **sides: str) -> dict[str, str | int]:
    return {network: getattr(found[network], side) for network, side in sides.items() if network in found}


def _common(files: Mapping[str, Path], what: str, values: Mapping[str, str | int]) -> str | int:
    """The value that all networks have. Raises UserError if two differ."""
    (first, value), *others = values.items()
    for network, other in others:
        if other != value:
            raise UserError(f"{files[network]} has {what} = {other}, but {files[first]} has {value}: give networks of one training")
    return value
