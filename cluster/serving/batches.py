"""Which waiting images are translated together: a pure function of their directions and sizes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cyclegan.config import ModelSpec
from cyclegan.inference.translation_plan import Shape, Size, shape_of

BATCHES = (4, 1)
"""Images that a program takes, the most first: each waits for no more than itself or three others."""


class Kind(NamedTuple):
    """What images must share to be translated together: a direction, and the size at which they are translated."""

    direction: str
    size: Size


class Group(NamedTuple):
    """Images that are translated by one call, by their indices: by the program of a shape, or, without one, eagerly."""

    direction: str
    images: tuple[int, ...]
    shape: Shape | None


def shapes_for(size: Size, model: ModelSpec) -> list[Shape]:
    """The programs for images of one size, the largest batch first; none if the images are too large for a program."""
    largest = shape_of(size, model)
    return [largest._replace(batch=batch) for batch in BATCHES if batch <= largest.batch] if largest else []


def plan_groups(kinds: Sequence[Kind], programs: Mapping[Size, Sequence[Shape]]) -> list[Group]:
    """Groups for images of these kinds, each image in one. Programs are filled: those with fewer images would take as long.

    programs: those of each size that has any, as `shapes_for` makes them.
    """
    alike = defaultdict[Kind, list[int]](list)
    for i, kind in enumerate(kinds):
        alike[kind].append(i)
    groups = []
    for kind, images in alike.items():
        for shape in programs.get(kind.size, ()):
            while len(images) >= shape.batch:
                groups.append(Group(kind.direction, tuple(images[: shape.batch]), shape))
                images = images[shape.batch :]
        if images:
            groups.append(Group(kind.direction, tuple(images), None))
    return groups
