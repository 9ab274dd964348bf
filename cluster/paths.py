"""Names of files and folders in STORAGE/NAME and on each node."""

import hashlib
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ringcycle.storage.location import Location, child, is_remote
from ringcycle.user_cache import private_folder, user_cache

CONFIG = "config.toml"
"""The resolved configuration."""
FAILURE = "failure.txt"
"""The full error of the last failed launch."""
GOODPUT = "goodput.json"
"""How the last launch spent its time."""


def checkpoints_of(run: Location) -> Location:
    """Holds one folder for each step with a checkpoint, complete or in progress."""
    return child(run, "checkpoints")


def compile_cache(given: str) -> Path:
    """This node's folder for compiled programs, below `given` or else the user's own: one per version of TensorFlow and kind of processor.

    Programs are native code. Raises UserError if the folder belongs to another user, or others may write to it.
    """
    root = private_folder(Path(given).expanduser().absolute()) if given else user_cache()
    return root / f"tensorflow-{tensorflow_version()}-{processor_kind()}"


def tensorflow_version() -> str:
    """The version of TensorFlow, by whichever of its packages is installed, without the seconds that importing it takes."""
    try:
        return version("tensorflow")
    except PackageNotFoundError:
        return version("tensorflow-cpu")


def processor_kind(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """A name for the instructions that this processor has: a home folder may be shared by different machines."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return platform.machine()
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return f"{platform.machine()}-{hashlib.blake2b(flags.encode(), digest_size=4).hexdigest()}"


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
        return self.folder / "metrics.jsonl"

    @property
    def events(self) -> Path:
        """TensorBoard's event files."""
        return self.folder / "events"

    @property
    def samples(self) -> Path:
        """Image grids."""
        return self.folder / "samples"
