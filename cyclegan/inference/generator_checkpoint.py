"""The generators of a training, found in its run folder or in one of its checkpoints. Needs no TensorFlow."""

import logging
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pyarrow import fs
from pydantic import ValidationError

from cyclegan.checkpoint_files.arrays import AVERAGE, WEIGHTS, expected_arrays
from cyclegan.checkpoint_files.damage import DamagedCheckpoint
from cyclegan.checkpoint_files.folders import checkpoints, find_newest, verify
from cyclegan.checkpoint_files.index import read_index
from cyclegan.checkpoint_files.measures import find_best
from cyclegan.checkpoint_files.names import INDEX
from cyclegan.checkpoint_files.origin import Origin
from cyclegan.checkpoint_files.parts import read_arrays
from cyclegan.config import ModelConfig, ModelSpec
from cyclegan.inference.scale import Preparation
from ringcycle.domains import DIRECTIONS
from ringcycle.errors import UserError
from ringcycle.storage.location import Location, child, shown
from ringcycle.storage.store import Store, reading

log = logging.getLogger(__name__)

Which = Literal["newest", "best"]
"""A choice among the checkpoints of a run."""


@dataclass(frozen=True)
class GeneratorCheckpoint:
    """Both generators as they were at `step`, by the checkpoint `folder`.

    weights: the flat vector of both, their moving average if the training kept one; its direction axis has the order of DIRECTIONS:
    G_AB, G_BA. preparation: how the training resized its images, if the checkpoint names it. untrained: directions whose generator has
    initial values, since it was missing when the weights were converted.
    """

    folder: str
    step: int
    model: ModelSpec
    weights: npt.NDArray[np.floating[Any]]
    preparation: Preparation | None = None
    untrained: tuple[str, ...] = ()

    def check_trained(self, direction: str, field: str) -> None:
        """Raise UserError, which names the field, if the generator of `direction` was never trained."""
        if direction in self.untrained:
            other = DIRECTIONS[1 - DIRECTIONS.index(direction)]
            raise UserError(
                f"{field} = {direction}: {self.folder} was converted without a generator of this direction: "
                f"give {other}, or train a run that starts from it"
            )


def read_generators(location: Location, which: Which = "newest", field: str = "--checkpoint") -> GeneratorCheckpoint:
    """Read the generators of a checkpoint, or of the newest or best valid checkpoint of a run; damaged ones are logged and skipped.

    The networks' sizes come from the checkpoint's own config. field: where the user gave the location. Raises UserError if `location` is
    neither, or holds nothing valid.
    """
    with reading(location, field):
        return _read(find_checkpoint(location, which, field), field)


def _read(folder: Location, field: str) -> GeneratorCheckpoint:
    label = shown(folder)
    try:
        index = read_index(folder)
        model = ModelSpec.of(ModelConfig.model_validate(index.config["model"]), index.images)
        preparation = Preparation.of(index.config)
        name = AVERAGE if AVERAGE in expected_arrays(index.config, index.images) else WEIGHTS
        weights = read_arrays(folder, index.parts[0], (name,))[name]
        origin = Origin.of(index.config)
    except (KeyError, DamagedCheckpoint, ValidationError) as error:
        fact = str(error).splitlines()[0]
        raise UserError(f"{field} = {label} holds no generators that this version knows ({fact}): use the version that wrote it") from error
    return GeneratorCheckpoint(label, index.step, model, weights, preparation, origin.untrained if origin else ())


def find_checkpoint(location: Location, which: Which = "newest", field: str = "--checkpoint") -> Location:
    """The checkpoint at `location`, or one of the run there: the newest valid one, or the best that is valid.

    The best is so by the run's own `run.keep_best`. field: where the user gave the location. Raises UserError like `read_generators`.
    """
    store, label = Store(location), shown(location)
    kind = store.kind()
    if kind != fs.FileType.Directory:
        fact = "is a file" if kind == fs.FileType.File else "does not exist"
        raise UserError(f"{field} = {label} {fact}: give the folder of a run, or of one of its checkpoints")
    if store.size(INDEX) is not None:
        try:
            verify(location)
        except DamagedCheckpoint as damage:
            raise UserError(f"{field} = {label} is damaged ({damage}): give another one, or the run's folder") from damage
        return location
    root = child(location, "checkpoints")
    if Store(root).kind() != fs.FileType.Directory:
        raise UserError(f"{field} = {label} has neither {INDEX} nor a folder checkpoints: give the folder of a run or of a checkpoint")
    newest = find_newest(root)
    if newest is None:
        fact = "none of its checkpoints is valid" if checkpoints(root) else "it has no checkpoint yet"
        raise UserError(f"{field} = {label}: {fact}: train until the run writes one")
    return _best(root, newest) if which == "best" else newest


def _best(root: Location, newest: Location) -> Location:
    metric = read_index(newest).config.get("run", {}).get("keep_best", "auto")
    metric = metric if isinstance(metric, str) and metric != "none" else "auto"
    left = checkpoints(root)
    while (found := find_best(left, metric)) is not None:
        try:
            verify(found)
        except DamagedCheckpoint as damage:
            log.warning(f"damaged checkpoint skipped: {damage}")
            left.remove(found)
            continue
        return found
    raise UserError(
        f"--which = best: no checkpoint of {shown(root)} was measured: use newest, or train with held-out images (testA, testB)"
    )


def read_which(given: str, field: str = "--which") -> Which:
    """A choice among a run's checkpoints as a user gives it. Raises UserError, which names the field."""
    if given == "best":
        return "best"
    if given != "newest":
        raise UserError(f"{field} = {given}: give newest or best")
    return "newest"


def read_direction(given: str, field: str = "--direction") -> str:
    """A direction as a user gives it. Raises UserError, which names the field."""
    if given not in DIRECTIONS:
        raise UserError(f"{field} = {given}: there is no such direction: give {' or '.join(DIRECTIONS)}")
    return given
