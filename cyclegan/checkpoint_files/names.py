"""Names of a checkpoint's folder and of the files in it."""

import re

from ringcycle.storage.location import Location, child
from ringcycle.storage.store import parent_and_name

INDEX = "checkpoint.json"
MEASURES = "measures.json"
ASIDE = "checkpoint.aside.json"  # the index of one that the run did not resume from, though it is newer
PART = re.compile(r"part-([0-9]{5})-[0-9a-z]+\.npz")
_STEP = re.compile(r"step-([0-9]{8,15})")


def step_folder(root: Location, step: int) -> Location:
    """Where the checkpoint of `step` is or will be."""
    return child(root, f"step-{step:08d}")


def step_of(folder: Location) -> int | None:
    """The step in a folder's name, or None if it is not the name of a checkpoint."""
    match = _STEP.fullmatch(parent_and_name(folder)[1])
    return int(match[1]) if match else None


def part_file(rank: int, token: str) -> str:
    """The arrays of one rank. token: lower-case letters and digits that name the attempt, so that parts of different attempts never mix."""
    return f"part-{rank:05d}-{token}.npz"


def receipt_file(rank: int, token: str) -> str:
    """Its presence means that the part of this rank is complete and on disk."""
    return f"part-{rank:05d}-{token}.json"


def room_request_file(rank: int, token: str) -> str:
    """Its presence means that the part of this rank does not fit on the disk."""
    return f"part-{rank:05d}-{token}.full"


def rank_of(file: str) -> int:
    """The rank in the name of a part, which PART must match."""
    match = PART.fullmatch(file)
    assert match, file
    return int(match[1])
