"""`run.start_from`: the checkpoint of another run whose weights a new run begins with."""

from pydantic import ValidationError

from cluster.config import Config
from cyclegan.checkpoint_files.index import read_index
from cyclegan.config import ImageFormat, ModelConfig, ModelSpec
from cyclegan.inference.generator_checkpoint import find_checkpoint
from preprocess.sources.layouts import absolute
from ringcycle.errors import UserError
from ringcycle.storage.location import Location, as_location, shown
from ringcycle.storage.store import reading


def start_weights(config: Config, images: ImageFormat, needed: bool = True) -> Location | None:
    """The checkpoint that `run.start_from` names, or the newest valid one of the run that it names; None if it is empty.

    needed: False for a run that has checkpoints of its own, which may have outlived the other one.

    Raises UserError if it is needed but not there, or if its networks have other sizes than `config` gives them for these images.
    """
    try:
        return _find(config, images) if config.run.start_from else None
    except UserError:
        if needed:
            raise
        return None


def _find(config: Config, images: ImageFormat) -> Location:
    field, location = "run.start_from", as_location(absolute(config.run.start_from))
    with reading(location, field):
        folder = find_checkpoint(location, field=field)
        index = read_index(folder)
    try:
        theirs = ModelSpec.of(ModelConfig.model_validate(index.config["model"]), index.images)
    except (KeyError, ValidationError) as error:
        fact = str(error).splitlines()[0]
        raise UserError(f"{field} = {shown(folder)} has networks that this version does not know ({fact}): give another one") from error
    ours = ModelSpec.of(config.model, images)
    for name in (*ours.network_fields, "channels_a", "channels_b"):
        if getattr(theirs, name) != getattr(ours, name):
            what = "the images have" if name.startswith("channels") else f"model.{name} ="
            cure = "give images as it was trained on" if name.startswith("channels") else f"set model.{name} = {getattr(theirs, name)}"
            fact = f"was trained with {name} = {getattr(theirs, name)}, but {what} {getattr(ours, name)}"
            raise UserError(f"{field} = {shown(folder)} {fact}: {cure}, or give another one")
    return folder
