"""Which checkpoint a run resumes from, and whether a configuration may resume from it."""

import contextlib
from typing import Any

import numpy as np
import numpy.typing as npt

from cluster.config import Config
from cyclegan.checkpoint_files.arrays import DISCRIMINATOR_WEIGHTS, WEIGHTS, expected_arrays
from cyclegan.checkpoint_files.damage import DamagedCheckpoint
from cyclegan.checkpoint_files.folders import checkpoints, drop_leftovers, step_folders, verify
from cyclegan.checkpoint_files.index import Index, read_index
from cyclegan.checkpoint_files.parts import read_arrays
from preprocess.sources.layouts import source_of
from ringcycle.errors import UserError
from ringcycle.storage.location import Location, redacted
from ringcycle.storage.store import Store

# The global batch is compared as a product; all other fields of `train` and `model`, and these of `data`, affect the result.
FREE_TO_CHANGE = {
    *("train.batch", "train.accumulate", "train.epochs", "train.steps", "train.ema", "train.seeds"),
    *("train.schedule", "train.constant_fraction", "train.decay_epochs", "train.warmup"),
    *("train.learning_rate", "train.rate_rule", "train.discriminator_rate", "train.clip_norm"),
    *("model.convolution", "model.precision", "model.remat", "model.init", "model.init_gain"),
}
FIXED_DATA = {"data.crop_size", "data.flip", "data.flip_vertical", "data.rotate", "data.jitter"}


def remove_partial(root: Location) -> None:
    """Delete what interrupted saves left behind."""
    for folder in step_folders(root):
        drop_leftovers(folder)


def check_any_valid(root: Location, newest: Location | None, run: str) -> None:
    """Raise UserError if there are checkpoints but none is valid: replacing them is for the user to decide."""
    found = checkpoints(root)
    if newest is None and found:
        try:
            verify(found[-1])
        except DamagedCheckpoint as damage:
            raise UserError(
                f"run.name = {run} has checkpoints, but none is valid ({damage}): repair them, delete {Store(root).label()} to start over, "
                "or give another run.name"
            ) from damage


def check_resumable(index: Index, folder: Location, config: Config, fingerprint: str, pairs: str = "") -> None:
    """Raise UserError in one line if `config` cannot continue what the checkpoint began.

    fingerprint: of the shards. pairs: of the known pairs, or empty.
    A field that the checkpoint lacks, because an earlier version wrote it, counts as its default; one that only it has is ignored.
    """
    # As JSON gives them back: tuples as lists.
    old, new = _flat(Config().model_dump(mode="json")) | _flat(index.config), _flat(config.model_dump(mode="json"))
    fixed = [f for f in new if (f.startswith(("model.", "train.")) and f not in FREE_TO_CHANGE) or f in FIXED_DATA]
    for field in fixed:
        if old[field] != new[field]:
            raise UserError(
                f"{field} = {new[field]}, but run {config.run.name} was trained with {old[field]} ({Store(folder).label()}): "
                "keep it, or give another run.name"
            )
    old_batch = index.position // index.step
    if old_batch != config.global_batch:
        raise UserError(
            f"train.batch × cluster.workers = {config.global_batch}, but run {config.run.name} has a global batch of {old_batch}: "
            "choose workers and batch to keep it, or give another run.name"
        )
    if fingerprint != index.fingerprint:
        raise UserError(
            f"data.source = {source_of(config.data)} has fingerprint {fingerprint}, "
            f"but run {config.run.name} was trained on {index.fingerprint}: "
            f"give the same images and data.load_size (of a copy with other times: the shards {index.fingerprint} as data.source), "
            "or another run.name"
        )
    if pairs != index.pairs:
        raise UserError(
            f'data.pairs = "{redacted(config.data.pairs)}" holds other pairs than those that run {config.run.name} was trained with '
            f"({Store(folder).label()}): give the same ones, or another run.name"
        )


def load_state(folder: Location, rows: npt.NDArray[np.int64]) -> tuple[Index, dict[str, npt.NDArray[Any]]]:
    """The index and the arrays of a verified checkpoint for the worker that has `rows` of the global batch.

    Raises UserError if arrays are missing, and DamagedCheckpoint if a file cannot be read any more.
    """
    index = read_index(folder)
    try:
        arrays = _arrays_of_rows(folder, index, rows)
    except DamagedCheckpoint as damage:
        if isinstance(damage.__cause__, OSError):
            raise
        raise UserError(_cannot_resume(folder, str(damage))) from damage
    missing = [name for name in expected_arrays(index.config, index.images) if name not in arrays]
    if missing:
        raise UserError(_cannot_resume(folder, f"{missing[0]} is missing"))
    return index, arrays


def load_weights(folder: Location) -> dict[str, npt.NDArray[Any]]:
    """The weights of a checkpoint's networks, for `TrainingState.assign_weights`. Raises DamagedCheckpoint."""
    return read_arrays(folder, read_index(folder).parts[0], (WEIGHTS, DISCRIMINATOR_WEIGHTS))


def _arrays_of_rows(folder: Location, index: Index, rows: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[Any]]:
    shared = read_arrays(folder, index.parts[0])
    owners: dict[int, tuple[npt.NDArray[np.generic], npt.NDArray[np.generic]]] = {}
    for part in index.parts:
        held = read_arrays(folder, part, ("pool.rows",))["pool.rows"]
        if np.intersect1d(held, rows).size:
            pools = read_arrays(folder, part, ("pool.images", "pool.filled"))
            owners |= {int(row): (pools["pool.images"][:, i], pools["pool.filled"][:, i]) for i, row in enumerate(held)}
    absent = [int(row) for row in rows if int(row) not in owners]
    if absent:
        raise DamagedCheckpoint(f"{Store(folder).label()}: the image pools of row {absent[0]} are missing")
    images, filled = zip(*(owners[int(row)] for row in rows), strict=True)
    return {**shared, "pool.images": np.stack(images, 1), "pool.filled": np.stack(filled, 1)}


def _cannot_resume(folder: Location, fact: str) -> str:
    return f"checkpoint {Store(folder).label()} cannot be resumed from ({fact}): delete it to resume from the one before"


def newest_checkpoint(root: Location) -> str:
    """The newest checkpoint as shown to the user; empty if there is none or an object store does not answer."""
    with contextlib.suppress(OSError):
        found = checkpoints(root)
        return Store(found[-1]).label() if found else ""
    return ""


def _flat(tree: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {f"{section}.{name}": value for section, fields in tree.items() for name, value in fields.items()}
