"""Where things lie in the storage: names only."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunPaths:
    """Folders and files of one run below STORAGE/NAME."""

    run: Path

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.run / "config.toml"

    @property
    def checkpoints(self) -> Path:
        """One folder a checkpoint, and partial ones beside."""
        return self.run / "checkpoints"

    @property
    def metrics(self) -> Path:
        """One JSON object a line."""
        return self.run / "metrics.jsonl"

    @property
    def events(self) -> Path:
        """TensorBoard's event files."""
        return self.run / "events"

    @property
    def failure(self) -> Path:
        """Why the last launch that failed did, in full."""
        return self.run / "failure.txt"

    @property
    def goodput(self) -> Path:
        """Where the time of the last launch went."""
        return self.run / "goodput.json"

    @property
    def samples(self) -> Path:
        """Picture grids."""
        return self.run / "samples"

    @property
    def ray(self) -> Path:
        """What Ray Train keeps for itself, one folder a launch."""
        return self.run / "ray"
