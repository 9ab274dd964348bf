"""The generators of a training, found in its run folder or in one of its checkpoints. Needs no TensorFlow."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pyarrow import fs
from pydantic import ValidationError

from cyclegan.checkpoint_files.arrays import AVERAGE, WEIGHTS, expected_arrays
from cyclegan.checkpoint_files.damage import DamagedCheckpoint
from cyclegan.checkpoint_files.folders import checkpoints, find_newest, verify
from cyclegan.checkpoint_files.index import read_index
from cyclegan.checkpoint_files.names import INDEX
from cyclegan.checkpoint_files.parts import read_arrays
from cyclegan.config import ModelConfig, ModelSpec
from ringcycle.errors import UserError
from ringcycle.storage.location import Location, child, shown
from ringcycle.storage.store import Store, reading


@dataclass(frozen=True)
class GeneratorCheckpoint:
    """Both generators as they were at `step`, by the checkpoint `folder`.

    weights: the flat vector of both, their moving average if the training kept one; its direction axis has the order of DIRECTIONS:
    G_AB, G_BA.
    """

    folder: str
    step: int
    model: ModelSpec
    weights: npt.NDArray[np.floating[Any]]


def read_generators(location: Location) -> GeneratorCheckpoint:
    """Read the generators of a checkpoint, or of the newest valid checkpoint of a run; damaged ones are logged and skipped.

    The networks' sizes come from the checkpoint's own config. Raises UserError if `location` is neither, or holds nothing valid.
    """
    with reading(location, "--checkpoint"):
        return _read(find_checkpoint(location))


def _read(folder: Location) -> GeneratorCheckpoint:
    label = shown(folder)
    try:
        index = read_index(folder)
        model = ModelSpec.of(ModelConfig.model_validate(index.config["model"]), index.images)
        name = AVERAGE if AVERAGE in expected_arrays(index.config, index.images) else WEIGHTS
        weights = read_arrays(folder, index.parts[0], (name,))[name]
    except (KeyError, DamagedCheckpoint, ValidationError) as error:
        fact = str(error).splitlines()[0]
        raise UserError(
            f"--checkpoint = {label} holds no generators that this version knows ({fact}): use the version that wrote it"
        ) from error
    return GeneratorCheckpoint(label, index.step, model, weights)


def find_checkpoint(location: Location) -> Location:
    """The checkpoint at `location`, or the newest valid one of the run there. Raises UserError like `read_generators`."""
    store, label = Store(location), shown(location)
    kind = store.kind()
    if kind != fs.FileType.Directory:
        fact = "is a file" if kind == fs.FileType.File else "does not exist"
        raise UserError(f"--checkpoint = {label} {fact}: give the folder of a run, or of one of its checkpoints")
    if store.size(INDEX) is not None:
        try:
            verify(location)
        except DamagedCheckpoint as damage:
            raise UserError(f"--checkpoint = {label} is damaged ({damage}): give another one, or the run's folder") from damage
        return location
    root = child(location, "checkpoints")
    if Store(root).kind() != fs.FileType.Directory:
        raise UserError(f"--checkpoint = {label} has neither {INDEX} nor a folder checkpoints: give the folder of a run or of a checkpoint")
    newest = find_newest(root)
    if newest is None:
        fact = "none of its checkpoints is valid" if checkpoints(root) else "it has no checkpoint yet"
        raise UserError(f"--checkpoint = {label}: {fact}: train until the run writes one")
    return newest
