"""How good a checkpoint's translations of held-out images are: a file beside its index, and the best checkpoint by it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError

from cyclegan.checkpoint_files.damage import DamagedCheckpoint
from cyclegan.checkpoint_files.index import Index, encode, read_index
from cyclegan.checkpoint_files.names import MEASURES
from ringcycle.storage.location import Location
from ringcycle.storage.store import Store

LARGEST = 2**20  # bytes of a file that is read
CYCLE_LOSS = "cycle_loss"
"""The smoothed cycle loss of the index, a measure of last resort: it needs no held-out images, but says little of their translations."""
PREFERRED = ("kid", "sliced_wasserstein", CYCLE_LOSS)
"""What "auto" stands for: the first that any checkpoint has."""


class Measures(BaseModel):
    """Measures by name; of those that decide which checkpoint is best, lower is better.

    checkpoint: seal of its index, as another checkpoint may replace it in its folder. images: held-out images of each domain.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    checkpoint: str
    step: int
    images: int
    values: dict[str, FiniteFloat]


@dataclass(frozen=True)
class MeasuredCheckpoint:
    """A checkpoint's step, and its measures by name, of which CYCLE_LOSS comes from its index."""

    step: int
    measures: Mapping[str, float]


def write_measures(folder: Location, measures: Measures) -> None:
    """Store the measures of the checkpoint in `folder`. Raises OSError."""
    Store(folder).write(MEASURES, encode(measures))


def read_measures(folder: Location, index: Index) -> dict[str, float]:
    """The measures of the checkpoint with this index; empty if there are none, or those of another one. Raises OSError."""
    store = Store(folder)
    if not 0 < (store.size(MEASURES) or 0) <= LARGEST:
        return {}
    try:
        found = Measures.model_validate_json(store.read(MEASURES))
    except (ValidationError, RecursionError):
        return {}
    return found.values if found.checkpoint == index.sha256 else {}


def measured(folder: Location) -> MeasuredCheckpoint:
    """The checkpoint in `folder`. Raises DamagedCheckpoint if its index cannot be read, and OSError."""
    index = read_index(folder)
    loss = {} if index.cycle_loss is None else {CYCLE_LOSS: index.cycle_loss}
    return MeasuredCheckpoint(index.step, {**read_measures(folder, index), **loss})


def best(checkpoints: Iterable[MeasuredCheckpoint], metric: str) -> MeasuredCheckpoint | None:
    """The one with the lowest `metric`, the newest of equal ones; None if none has it. metric: a name, or "auto" (PREFERRED)."""
    known = list(checkpoints)
    names = PREFERRED if metric == "auto" else (metric,)
    name = next((name for name in names if any(name in each.measures for each in known)), None)
    candidates = [each for each in known if name in each.measures]
    return min(candidates, key=lambda each: (each.measures[str(name)], -each.step)) if candidates else None


def find_best(folders: Iterable[Location], metric: str) -> Location | None:
    """The folder of the best checkpoint; those whose index cannot be read do not count."""
    known = {}
    for folder in folders:
        try:
            known[folder] = measured(folder)
        except DamagedCheckpoint:
            continue
    found = best(known.values(), metric)
    return next((folder for folder, each in known.items() if each is found), None)
