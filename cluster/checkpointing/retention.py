"""Which checkpoints are kept: the newest, one in every so many steps, and the best; and which go first when the disk is full."""

import contextlib
from collections.abc import Iterable, Sequence

from cluster.config import RunConfig
from cyclegan.checkpoint_files.damage import DamagedCheckpoint
from cyclegan.checkpoint_files.folders import checkpoints, delete, drop_leftovers, find_newest, step_folders, verify
from cyclegan.checkpoint_files.measures import MeasuredCheckpoint, best, measured
from cyclegan.checkpoint_files.names import ASIDE, INDEX, step_of
from ringcycle.storage.location import Location
from ringcycle.storage.store import Store, reading

SMOOTHING = 0.001


def smoothed(before: float | None, loss: float, step: int) -> float:
    """The running mean of the cycle loss after `step`: of all steps at first, then of about the last 1 / SMOOTHING of them.

    It needs no state but itself, so a resumed run continues with the value of its checkpoint.
    """
    return loss if before is None else before + max(SMOOTHING, 1 / step) * (loss - before)


def kept(entries: Iterable[MeasuredCheckpoint], run: RunConfig) -> dict[int, tuple[str, ...]]:
    """Steps of the checkpoints that stay, with the reasons: newest, every, best.

    Of each span of `run.keep_every` steps the first checkpoint stays, except of the span that step 0 begins. `run.keep_best` is the
    measure by which one is best.
    """
    ordered = sorted(entries, key=lambda entry: entry.step)
    reasons: dict[int, list[str]] = {entry.step: ["newest"] for entry in ordered[-run.keep :]}
    if run.keep_every:
        spans = {entry.step // run.keep_every: entry.step for entry in reversed(ordered)}
        for step in (step for span, step in spans.items() if span):
            reasons.setdefault(step, []).append("every")
    if found := best(ordered, run.keep_best):
        reasons.setdefault(found.step, []).append("best")
    return {step: tuple(why) for step, why in sorted(reasons.items())}


def entries(folders: Sequence[Location]) -> dict[Location, MeasuredCheckpoint]:
    """The checkpoints of the folders whose index can be read. The others do not count and are left alone."""
    found = {}
    for folder in folders:
        try:
            found[folder] = measured(folder)
        except DamagedCheckpoint:
            continue
    return found


def sweep(root: Location, step: int, run: RunConfig) -> None:
    """Delete what need not be kept up to `step`, the one just published, and what older saves left behind.

    Newer ones were left by an earlier course of the training; they do not count until they are written again.
    """
    passed = {folder: names for folder, names in step_folders(root).items() if (step_of(folder) or 0) <= step}
    known = entries([folder for folder, names in passed.items() if INDEX in names])
    stay = kept(known.values(), run)
    for folder, names in passed.items():
        if folder in known and known[folder].step not in stay:
            delete(folder)
            continue
        if ASIDE in names:
            Store(folder).delete(ASIDE)
        drop_leftovers(folder)


def make_room(root: Location, metric: str) -> Location | None:
    """Delete the most dispensable one and return its folder: one set aside, otherwise the oldest, finally the best.

    Never the newest valid checkpoint. None if there is no other. metric: by which one is best, as in `run.keep_best`.
    """
    for aside in checkpoints(root, ASIDE):
        Store(aside).delete(ASIDE)
        drop_leftovers(aside)
        return aside
    newest = find_newest(root, quiet=True)
    known = {folder: entry for folder, entry in entries(checkpoints(root)).items() if folder != newest}
    if newest is None or not known:
        return None
    keep = best(known.values(), metric)
    victim = next((folder for folder, entry in known.items() if entry is not keep), next(iter(known)))
    delete(victim)
    return victim


def set_aside(root: Location, newest: Location | None) -> None:
    """Set aside the checkpoints newer than the one to resume from: they are damaged, or of a training that went wrong.

    They keep their folders, under an index of another name. `sweep` deletes them when the run has passed them.
    """
    for folder in checkpoints(root):
        if newest is None or (step_of(folder) or 0) > (step_of(newest) or 0):
            Store(folder).rename(INDEX, ASIDE)


def roll_back(root: Location, before: int) -> str:
    """Set aside all checkpoints newer than the newest valid one of a step below `before`. Returns what remains, as a phrase."""
    with reading(root, "run.storage"):
        for folder in reversed(checkpoints(root)):
            if (step_of(folder) or 0) < before:
                with contextlib.suppress(DamagedCheckpoint):
                    verify(folder)
                    set_aside(root, folder)
                    return f"the checkpoint of step {step_of(folder):,}"
        set_aside(root, None)
    return "the beginning"
