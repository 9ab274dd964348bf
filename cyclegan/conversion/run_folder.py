"""A run with one checkpoint, from weights that were converted: what translate, evaluate and `run.start_from` read."""

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from pyarrow import fs

from cyclegan.checkpoint_files.folders import drop_leftovers
from cyclegan.checkpoint_files.index import Index, publish
from cyclegan.checkpoint_files.names import step_folder
from cyclegan.checkpoint_files.origin import SECTION, Origin
from cyclegan.checkpoint_files.parts import write_part, written_parts
from cyclegan.config import ImageFormat, ModelSpec, TrainConfig
from cyclegan.inference.scale import Preparation
from ringcycle.errors import UserError
from ringcycle.storage.location import Location, child, shown
from ringcycle.storage.store import Store, writing

STEP = 1  # the first one; the files do not say how many the training had
TOKEN = "converted"


def check_empty(output: Location) -> None:
    """Raise UserError unless `output` is a folder that is empty or does not exist."""
    kind = Store(output).kind()
    if kind == fs.FileType.File:
        raise UserError(f"OUTPUT = {shown(output)} is a file: give a new folder")
    if kind == fs.FileType.Directory and Store(output).entries():
        raise UserError(f"OUTPUT = {shown(output)} is not empty: give a new folder")


def write_run(
    output: Location, model: ModelSpec, weights: Mapping[str, npt.NDArray[np.floating[Any]]], preparation: Preparation, origin: Origin
) -> Location:
    """Write the run, and return the folder of its checkpoint. weights: of both pairs, by their names in a checkpoint.

    The checkpoint has neither moments nor pools, and no average. Raises UserError if it cannot be written.
    """
    images = ImageFormat(**model.model_dump(include=set(ImageFormat.model_fields)))
    folder = step_folder(child(output, "checkpoints"), STEP)
    with writing(output):
        if (local := Store(folder).local) is not None:
            local.parent.mkdir(parents=True, exist_ok=True)
        write_part(folder, 0, TOKEN, weights)
        parts = written_parts(folder, 1, TOKEN)
        assert parts, folder
        config = {
            "data": preparation.model_dump(),
            "model": model.model_dump(exclude=set(ImageFormat.model_fields)),
            "train": TrainConfig(ema=0).model_dump(),
            SECTION: origin.model_dump(),
        }
        publish(
            folder,
            Index(
                step=STEP,
                position=STEP,
                workers=1,
                fingerprint="unknown",
                images=images,
                written=datetime.now(UTC),
                cycle_loss=None,
                versions={"python": platform.python_version()},
                config=config,
                parts=parts,
            ),
        )
        drop_leftovers(folder)
    return folder
