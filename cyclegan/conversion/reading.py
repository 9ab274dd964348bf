"""Networks of the reference, read from their files and checked: of one training, and of kinds and sizes that we have."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cyclegan.config import ImageFormat, ModelConfig, ModelSpec
from cyclegan.conversion.entries import NETWORKS, network_entries
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
        unused = [self.found[network].tensors[entry.key] for network in entries for entry in entries[network] if entry.name is None]
        if any(bias.any() for bias in unused):
            yield f"left out: {len(unused)} biases before instance norms, on which no result depends"
        if any(found.dropout for found in self.found.values()):
            yield "left out: dropout; results are those of the reference with --eval"


def read_networks(files: Mapping[str, Path]) -> ReferenceNetworks:
    """Read the networks of one training. Raises UserError for the first file that holds none, or does not fit the others."""
    found = {network: _read(network, path) for network, path in files.items()}
    generators, discriminators = ({n: found[n] for n in found if n.startswith(kind)} for kind in "GD")
    sizes = {
        name: _check_equal(files, {network: getattr(generator, name) for network, generator in generators.items()}, name)
        for name in ("filters", "blocks")
    }
    if discriminators:
        filters = {network: discriminator.filters for network, discriminator in discriminators.items()}
        sizes["discriminator_filters"] = _check_equal(files, filters, "filters")
    channels_a = _check_equal(files, _channels(found, G_A="inputs", G_B="outputs", D_B="inputs"), "channels of domain A")
    channels_b = _check_equal(files, _channels(found, G_A="outputs", G_B="inputs", D_A="inputs"), "channels of domain B")
    return ReferenceNetworks(found, ModelSpec.of(ModelConfig(**sizes), ImageFormat(channels_a=channels_a, channels_b=channels_b)))


def _read(network: str, path: Path) -> FoundNetwork:
    try:
        return (find_generator if network.startswith("G") else find_discriminator)(read_state_dict(path, CURE).arrays)
    except UnknownNetwork as reason:
        kind = "generator" if network.startswith("G") else "discriminator"
        raise UserError(f"{path} is not a {kind} that can be converted ({reason}): {CURE}") from reason


def _channels(found: Mapping[str, FoundNetwork], **sides: str) -> dict[str, int]:
    return {network: getattr(found[network], side) for network, side in sides.items() if network in found}


def _check_equal(files: Mapping[str, Path], values: Mapping[str, int], what: str) -> int:
    """The value that all networks have."""
    (first, value), *others = values.items()
    for network, other in others:
        if other != value:
            raise UserError(f"{files[network]} has {other} {what}, but {files[first]} has {value}: give networks of one training")
    return value
