"""`launches.json` of a run: when each launch of the command began and ended, and each of its attempts. The driver writes it."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from cluster.paths import LAUNCHES
from ringcycle.storage.location import Location
from ringcycle.storage.store import Store

MOST = 100
"""Launches that are kept, the newest ones."""


class WorkerEntry(BaseModel):
    """A worker of an attempt. device: its processor or GPU. cores: how many it is bound to. hits: programs found in the compile cache."""

    model_config = ConfigDict(frozen=True)

    rank: int
    host: str
    device: str = ""
    cores: int
    programs: int
    hits: int


class AttemptEntry(BaseModel):
    """An attempt. until: its end or, while it lasts, when this was written. cause: why it ended; empty while it lasts.

    entered: seconds from `began` until all workers had entered a phase, by phase (`RunStatus.entered`).
    """

    model_config = ConfigDict(frozen=True)

    number: int
    began: datetime
    until: datetime
    entered: dict[str, float] = {}
    resumed_step: int = 0
    reached_step: int = 0
    trained_seconds: float = 0.0
    cause: str = ""
    workers: list[WorkerEntry] = []


class LaunchEntry(BaseModel):
    """A launch. steps: of the complete run, 0 before the first step. outcome: as in `Outcome.kind`; empty while it lasts."""

    model_config = ConfigDict(frozen=True)

    began: datetime
    until: datetime
    steps: int = 0
    outcome: str = ""
    reason: str = ""
    attempts: list[AttemptEntry] = []


class Launches(BaseModel):
    """All launches of a run, oldest first."""

    model_config = ConfigDict(frozen=True)

    launches: list[LaunchEntry] = []


def read_launches(run: Location) -> list[LaunchEntry]:
    """Those of a run; empty if there is no record, or none that can be read. Raises OSError."""
    store = Store(run)
    if store.size(LAUNCHES) is None:
        return []
    try:
        found = Launches.model_validate_json(store.read(LAUNCHES)).launches
    except (ValidationError, RecursionError):
        return []
    aware = [launch for launch in found if launch.began.tzinfo and launch.until.tzinfo]
    return [launch for launch in aware if all(attempt.began.tzinfo and attempt.until.tzinfo for attempt in launch.attempts)]


def write_launches(run: Location, launches: list[LaunchEntry]) -> None:
    """Replace the record. Raises OSError."""
    Store(run).write(LAUNCHES, Launches(launches=launches[-MOST:]).model_dump_json(indent=1).encode(), sync=False)
