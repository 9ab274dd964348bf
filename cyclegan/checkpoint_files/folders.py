"""The folders of a run's checkpoints: listed, verified, cleared of leftovers and deleted."""

import logging

from cyclegan.checkpoint_files.arrays import expected_arrays
from cyclegan.checkpoint_files.damage import DamagedCheckpoint
from cyclegan.checkpoint_files.index import Index, read_index
from cyclegan.checkpoint_files.names import ASIDE, INDEX, MEASURES, step_of
from cyclegan.checkpoint_files.parts import check_arrays
from ringcycle.storage.location import Location, child
from ringcycle.storage.store import Store

log = logging.getLogger(__name__)


def step_folders(root: Location) -> dict[Location, set[str]]:
    """The folders of all steps, oldest first, also of saves that are not finished, with the names in each."""
    present = {child(root, name): names for name, names in Store(root).folders().items()}
    steps = {folder: step for folder in present if (step := step_of(folder)) is not None}
    return {folder: present[folder] for folder in sorted(steps, key=lambda folder: steps[folder])}


def checkpoints(root: Location, index: str = INDEX) -> list[Location]:
    """Folders that have an index, oldest first; they may still fail `read_index` or `verify`."""
    return [folder for folder, names in step_folders(root).items() if index in names]


def verify(folder: Location, name: str = INDEX) -> Index:
    """Check all parts of the index `name`: sizes, checksums, and the types and shapes of arrays against the configuration.

    Raises DamagedCheckpoint naming the first part that does not match.
    """
    index = read_index(folder, name)
    expected = expected_arrays(index.config, index.images)
    for part in index.parts:
        check_arrays(folder, part, expected)
    return index


def find_newest(root: Location, quiet: bool = False) -> Location | None:
    """The newest checkpoint below `root` that `verify` accepts; damaged ones are skipped, with a warning unless `quiet`."""
    for folder in reversed(checkpoints(root)):
        try:
            verify(folder)
        except DamagedCheckpoint as damage:
            if not quiet:
                log.warning(f"damaged checkpoint skipped: {damage}")
            continue
        return folder
    return None


def drop_leftovers(folder: Location) -> None:
    """Delete what no index of the folder names: receipts, saves that were not finished, and what was replaced.

    Without an index the entire folder goes; with one that cannot be read, nothing, as it is unknown what belongs to it.
    """
    store = Store(folder)
    present = set(store.names())
    named = {INDEX, ASIDE, MEASURES}
    for name in {INDEX, ASIDE} & present:
        try:
            named = named | {part.file for part in read_index(folder, name).parts}
        except DamagedCheckpoint:
            return
    if not present & {INDEX, ASIDE}:
        return store.delete_all()
    for name in present - named:
        store.delete(name)


def delete(folder: Location) -> None:
    """Delete a checkpoint, its index first: no crash leaves a damaged one."""
    Store(folder).delete(INDEX)
    Store(folder).delete_all()
