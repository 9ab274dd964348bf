"""Which waiting images share a program."""

import pytest

from cluster.serving.batches import BATCHES, Group, Kind, plan_groups, shapes_for
from cyclegan.config import ModelSpec
from cyclegan.inference.translation_plan import Shape, Size

SIZE, OTHER = Size(64, 64, 8), Size(64, 70, 8)
MODEL = ModelSpec(filters=32, blocks=6)
FOUR, ONE = shapes_for(SIZE, MODEL)
PROGRAMS = {SIZE: [FOUR, ONE]}


def test_programs_of_a_size() -> None:
    assert BATCHES == (4, 1)
    assert (Shape(4, 64, 64, 8), Shape(1, 64, 64, 8)) == (FOUR, ONE)
    assert shapes_for(Size(62, 61, 16), MODEL) == [Shape(4, 64, 64, 16), Shape(1, 64, 64, 16)]
    assert shapes_for(Size(1024, 1024, 8), MODEL) == [Shape(1, 1024, 1024, 8)]
    assert shapes_for(Size(9000, 9000, 8), MODEL) == []


@pytest.mark.parametrize(("count", "batches"), [(1, [1]), (3, [1, 1, 1]), (4, [4]), (6, [4, 1, 1]), (9, [4, 4, 1])])
def test_programs_are_filled(count: int, batches: list[int]) -> None:
    groups = plan_groups([Kind("AtoB", SIZE)] * count, PROGRAMS)
    assert [len(group.images) for group in groups] == batches
    assert [group.shape.batch for group in groups if group.shape] == batches
    assert [i for group in groups for i in group.images] == list(range(count))


def test_only_images_of_a_kind_share_one() -> None:
    kinds = [Kind(way, size) for size in (SIZE, OTHER) for way in ("AtoB", "BtoA", "AtoB", "AtoB", "AtoB")]
    assert plan_groups(kinds, PROGRAMS) == [
        Group("AtoB", (0, 2, 3, 4), FOUR),
        Group("BtoA", (1,), ONE),
        Group("AtoB", (5, 7, 8, 9), None),
        Group("BtoA", (6,), None),
    ]
    assert plan_groups([], PROGRAMS) == []
