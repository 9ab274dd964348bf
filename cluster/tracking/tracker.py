"""What a tracker must be able to do, and which ones there are."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from ringcycle.output import printable
from ringcycle.storage.location import redacted

PROJECT = "ringcycle"
"""The MLflow experiment or W&B project of a run, unless the environment names another."""
MAX_REASON = 200  # characters


class Scalars(NamedTuple):
    """Named values of one step. time: when they were found, in seconds since 1970; the same when they are sent again."""

    step: int
    values: dict[str, float]
    time: float


class Tracker(Protocol):
    """Any method may raise any exception, or hang."""

    def open(self, run_id: str, name: str) -> str:
        """Continue the tracker's run of this id, or begin one named `name` if that is empty or unknown. Returns its id."""

    def config(self, values: Mapping[str, str], toml: str) -> None:
        """Store the configuration: by field, and as the file it is."""

    def scalars(self, records: Sequence[Scalars]) -> None:
        """Store values."""

    def image(self, step: int, tag: str, png: bytes) -> None:
        """Store an image."""

    def close(self, outcome: str) -> None:
        """End the run. outcome: of the training: finished, stopped, which a later launch may resume, or anything else: failed."""


def make_tracker(kind: str, folder: Path) -> Tracker:
    """folder: for what a tracker keeps on this machine. Imports its package."""
    if kind == "mlflow":
        from cluster.tracking.mlflow_tracker import MlflowTracker

        return MlflowTracker()
    from cluster.tracking.wandb_tracker import WandbTracker

    return WandbTracker(folder)


def reason(error: BaseException) -> str:
    """What went wrong, in one short line without credentials: of a failed connection, what the system says."""
    chain: list[BaseException | None] = [error]
    while chain[-1] is not None:
        chain.append(chain[-1].__cause__ or chain[-1].__context__)
    error = next((one for one in reversed(chain) if isinstance(one, OSError)), error)
    line = next(iter(str(error).splitlines()), "")
    return printable(redacted(f"{type(error).__name__}: {line}" if line else type(error).__name__))[:MAX_REASON]
