"""What the driver hands to every worker."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.config import Config
from preprocess.feed.plan import Plan
from preprocess.shards.manifest import Manifest
from ringcycle.storage.location import Location

CLOSE_SECONDS = 600.0  # for the last checkpoint, when the storage fails or is slow


@dataclass(frozen=True)
class Job:
    """One attempt of a run; all paths are absolute.

    board: handle of the `StatusBoardActor`. gpu: whether each worker has one. rate: factor of all learning rates.
    """

    config: Config
    run: Location
    shards: Location
    compile_cache: Path
    gpu: bool
    board: Any
    rate: float = 1.0


def plan_of(config: Config, manifest: Manifest) -> Plan:
    """The order of images of a run on the shards of `manifest`."""
    sizes = (manifest.splits["trainA"].count, manifest.splits["trainB"].count)
    return Plan(sizes, config.train.seed, config.data.crop_size, config.data.flip)
