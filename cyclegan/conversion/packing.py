"""Between the reference's tensors, network by network, and our flat vectors. Imports TensorFlow, as `FlatParameters` does."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from cyclegan.checkpoint_files.arrays import DISCRIMINATOR_WEIGHTS, WEIGHTS
from cyclegan.config import ModelSpec
from cyclegan.conversion.network_entries import NETWORKS, direction_of, network_entries
from cyclegan.conversion.recognition import FoundNetwork
from cyclegan.networks.flat_parameters import FlatParameters
from cyclegan.networks.initial_values import initial_values
from cyclegan.networks.shapes import discriminator_shapes, generator_shapes
from ringcycle.domains import DIRECTIONS

SEED = 0  # of the networks that were not found

Array = npt.NDArray[np.floating[Any]]


def pack(found: Mapping[str, FoundNetwork], model: ModelSpec) -> dict[str, Array]:
    """The weights of both pairs, by their names in a checkpoint; networks that are missing have initial values."""
    weights = {pair: layout.initial(SEED) for pair, layout in _layouts(model).items()}
    for network, theirs in found.items():
        ours = _parameters(weights, network, model)
        for entry in network_entries(network, model, theirs.dropout):
            if entry.name is not None:
                entry.set_ours(ours, theirs.tensors[entry.key])
    return weights


def unpack(weights: Mapping[str, Array], model: ModelSpec) -> dict[str, dict[str, npt.NDArray[np.float32]]]:
    """The state dict of each of NETWORKS, from the weights of both pairs."""
    found = {}
    for network in NETWORKS:
        ours, entries = _parameters(weights, network, model), network_entries(network, model)
        assert ours.keys() == {entry.name for entry in entries} - {None}, network
        found[network] = {entry.key: entry.theirs(ours) for entry in entries}
    return found


def _layouts(model: ModelSpec) -> dict[str, FlatParameters]:
    values = initial_values(model)
    return {
        WEIGHTS: FlatParameters(generator_shapes(model), values=values),
        DISCRIMINATOR_WEIGHTS: FlatParameters(discriminator_shapes(model), values=values),
    }


def _parameters(weights: Mapping[str, Array], network: str, model: ModelSpec) -> dict[str, Array]:
    """One network's parameters by name, as views of its pair's flat vector."""
    pair = WEIGHTS if network.startswith("G") else DISCRIMINATOR_WEIGHTS
    i = DIRECTIONS.index(direction_of(network))
    return {name: view[i] for name, view in _layouts(model)[pair].views(weights[pair]).items()}
