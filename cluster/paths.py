"""Where things lie below STORAGE/NAME: names only."""

import getpass
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from ringcycle.storage.location import Location, child, is_remote

CONFIG = "config.toml"
"""The resolved configuration."""
FAILURE = "failure.txt"
"""Why the last launch that failed did, in full."""
GOODPUT = "goodput.json"
"""Where the time of the last launch went."""


def checkpoints_of(run: Location) -> Location:
    """One folder for each step that has a checkpoint, or will have one."""
    return child(run, "checkpoints")


def own_temporary() -> Path:
    """This user's folder for what each machine keeps for itself."""
    return Path(tempfile.gettempdir()) / f"ringcycle-{getpass.getuser()}"


def compile_cache(given: str) -> Path:
    """The folder for compiled programs, below `given` or else this user's own: one for each version of TensorFlow."""
    folder = Path(given) if given else own_temporary()
    return folder.expanduser().absolute() / f"tensorflow-{version('tensorflow')}"


def ray_folder(run: Location) -> Path:
    """What Ray Train keeps for itself, one folder a launch; of no use to anyone later, so of a run in an object store on this machine."""
    return own_temporary() / "ray" if is_remote(run) else Path(run) / "ray"


@dataclass(frozen=True)
class LogPaths:
    """Files that grow during a run: in its folder, or in a mirror's."""

    folder: Path

    @property
    def metrics(self) -> Path:
        """One JSON object a line."""
        return self.folder / "metrics.jsonl"

    @property
    def events(self) -> Path:
        """TensorBoard's event files."""
        return self.folder / "events"

    @property
    def samples(self) -> Path:
        """Image grids."""
        return self.folder / "samples"
