"""What the driver hands to each worker."""

import logging
from dataclasses import dataclass
from typing import Any

from cluster.config import Config
from cyclegan.config import ImageFormat, ModelSpec
from preprocess.config import DataConfig
from preprocess.feed.pairs import NO_PAIRS, Pairs
from preprocess.feed.plan import Plan
from preprocess.images.colour_jitter import JitterStrengths
from preprocess.images.size import sides_of
from preprocess.shards.manifest import Manifest
from ringcycle.storage.location import Location

CLOSE_SECONDS = 600.0  # for the last checkpoint, when the storage fails or is slow


@dataclass(frozen=True)
class Job:
    """One attempt of a run; all paths are absolute.

    compile_cache: as in `cluster.compile_cache`; each node has its own. board: handle of the `StatusBoardActor`.
    gpu: whether each worker has one. start: a checkpoint of another run whose weights this one begins with; None: initial values.
    rate: factor applied to all learning rates. until: the step to end at, before the schedule does; 0: the schedule's end.
    pairs: what `data.pairs` names, which workers need not see. log_level: as in `send_lines`.
    """

    config: Config
    images: ImageFormat
    run: Location
    shards: Location
    compile_cache: str
    gpu: bool
    board: Any
    start: Location | None = None
    rate: float = 1.0
    until: int = 0
    pairs: Pairs = NO_PAIRS
    log_level: int = logging.INFO

    @property
    def model(self) -> ModelSpec:
        """The networks that the settings give for these images."""
        return ModelSpec.of(self.config.model, self.images)


def images_of(manifest: Manifest) -> ImageFormat:
    """The format of the images in the shards of `manifest`."""
    (channels_a, channels_b), bits = manifest.channels, 8 if manifest.dtype == "uint8" else 16
    return ImageFormat(channels_a=channels_a, channels_b=channels_b, bits=bits)


def images_by_settings(data: DataConfig) -> ImageFormat:
    """The format expected before there are shards: as set, or 3 channels of 8 bits where the settings are auto."""
    given = {"channels_a": data.channels_a, "channels_b": data.channels_b, "bits": data.bits}
    return ImageFormat.model_validate({name: int(value) for name, value in given.items() if value != "auto"})


def plan_of(config: Config, manifest: Manifest, pairs: Pairs = NO_PAIRS) -> Plan:
    """The order of the images in a run on the shards of `manifest`, of which some are known pairs."""
    sizes = (manifest.splits["trainA"].count, manifest.splits["trainB"].count)
    data = config.data
    crop_size, jitter = sides_of(data.crop_size), JitterStrengths(*data.jitter)
    return Plan(sizes, config.train.seed, crop_size, data.flip, data.flip_vertical, data.rotate, jitter, pairs)
