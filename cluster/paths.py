"""Names of files and folders in STORAGE/NAME and on each node."""

from dataclasses import dataclass
from pathlib import Path

from ringcycle.storage.location import Location, child, is_remote
from ringcycle.user_cache import user_cache

CONFIG = "config.toml"
"""The resolved configuration."""
FAILURE = "failure.txt"
"""The full error of the last failed launch."""
GOODPUT = "goodput.json"
"""How the last launch spent its time."""
LAUNCHES = "launches.json"
"""When each launch of the run began and ended, and each of its attempts."""
REPORT = "report.html"
"""What is known of the run, as a page; see `cluster.reporting`."""
METRICS = "metrics.jsonl"
"""Losses and speed, a line for each step that is logged."""
EVALUATIONS = "evaluation.jsonl"
"""Measures of held-out images, a line for each evaluated checkpoint."""
SAMPLES = "samples"
"""Folder of image grids."""
CHECKPOINTS = "checkpoints"
"""Folder of the checkpoints, a folder each."""
RACE = "race.json"
"""Which seeds raced, and which one won."""


def checkpoints_of(run: Location) -> Location:
    """Holds one folder for each step with a checkpoint, complete or in progress."""
    return child(run, CHECKPOINTS)


def ray_folder(run: Location) -> Path:
    """Ray Train's own files, one folder per launch. Nobody needs them later: for a run in an object store they stay here."""
    return user_cache() / "ray" if is_remote(run) else Path(run) / "ray"


@dataclass(frozen=True)
class LogPaths:
    """Files that grow during a run, in its folder or in the local copy of it."""

    folder: Path

    @property
    def metrics(self) -> Path:
        """One JSON object a line."""
        return self.folder / METRICS

    @property
    def events(self) -> Path:
        """TensorBoard's event files."""
        return self.folder / "events"

    @property
    def samples(self) -> Path:
        """Image grids."""
        return self.folder / SAMPLES
