"""Files of the reference, written from a checkpoint of ours."""

from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from pyarrow import fs
from pydantic import ValidationError

from cyclegan.checkpoint_files.arrays import AVERAGE, DISCRIMINATOR_WEIGHTS, WEIGHTS, expected_arrays
from cyclegan.checkpoint_files.damage import DamagedCheckpoint
from cyclegan.checkpoint_files.index import Index, read_index
from cyclegan.checkpoint_files.origin import Origin
from cyclegan.checkpoint_files.parts import read_arrays
from cyclegan.config import ModelConfig, ModelSpec
from cyclegan.conversion.network_entries import NETWORKS
from cyclegan.conversion.reference_files import file_name
from cyclegan.torch_files.state_dict_writer import write_state_dict
from ringcycle.errors import UserError
from ringcycle.storage.location import Location, shown
from ringcycle.storage.store import Store, writing

Array = npt.NDArray[np.floating[Any]]


class TrainedNetworks:
    """All networks of a checkpoint. Raises UserError if this version does not know them."""

    def __init__(self, folder: Location) -> None:
        self.folder = folder
        try:
            self.index = read_index(folder)
            self.model = ModelSpec.of(ModelConfig.model_validate(self.index.config["model"]), self.index.images)
            origin = Origin.of(self.index.config)
            self.weights = _weights(folder, self.index)
        except (KeyError, DamagedCheckpoint, ValidationError) as error:
            fact = str(error).splitlines()[0]
            raise UserError(
                f"SOURCE = {shown(folder)} holds no networks that this version knows ({fact}): use the version that wrote it"
            ) from error
        if self.model.upsample == "resize":
            raise UserError(f"SOURCE = {shown(folder)} has model.upsample = resize, which the reference does not have: give another one")
        self.skipped = {network: "was never trained" for network, ours in NETWORKS.items() if origin and ours in origin.initial}
        """Why a network is not written, by the reference's names."""
        if self.model.spectral_norm:
            self.skipped |= dict.fromkeys(("D_A", "D_B"), "has spectral norm, which the reference does not have")
        self.networks = [network for network in NETWORKS if network not in self.skipped]
        """Those that are written."""


def _weights(folder: Location, index: Index) -> dict[str, Array]:
    """The weights of both pairs; of the generators their average, which translates, if the training kept one."""
    generators = AVERAGE if AVERAGE in expected_arrays(index.config, index.images) else WEIGHTS
    arrays = read_arrays(folder, index.parts[0], (generators, DISCRIMINATOR_WEIGHTS))
    return {WEIGHTS: arrays[generators], DISCRIMINATOR_WEIGHTS: arrays[DISCRIMINATOR_WEIGHTS]}


def check_free(output: Location, epoch: str, networks: Collection[str]) -> None:
    """Raise UserError if one of the files that will be written exists already."""
    if Store(output).kind() == fs.FileType.File:
        raise UserError(f"OUTPUT = {shown(output)} is a file: give a folder")
    for network in networks:
        if Store(output).size(file_name(epoch, network)) is not None:
            raise UserError(f"OUTPUT = {shown(output)} has a {file_name(epoch, network)} already: give another folder, or another --epoch")


def write_files(output: Location, epoch: str, state_dicts: Mapping[str, Mapping[str, Array]], networks: Iterable[str]) -> list[str]:
    """Write a file for each of `networks`; returns their names. Raises UserError if one cannot be written."""
    names = [file_name(epoch, network) for network in networks]
    with writing(output):
        if (local := Store(output).local) is not None:
            local.mkdir(parents=True, exist_ok=True)
        for name, network in zip(names, networks, strict=True):
            Store(output).write_with(name, partial(write_state_dict, arrays=state_dicts[network]))
    return names
