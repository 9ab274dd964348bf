"""Actors get equal shares of the nodes' CPUs."""

import pytest

from cluster.translation.placement import Seat, spread
from ringcycle.errors import UserError


@pytest.mark.parametrize(
    ("nodes", "actors", "expected"),
    [
        ([("a", 2)], 1, [Seat("a", 0, 1, 2)]),
        ([("a", 2)], 2, [Seat("a", 0, 2, 1), Seat("a", 1, 2, 1)]),
        ([("a", 8), ("b", 4)], 3, [Seat("a", 0, 2, 4), Seat("a", 1, 2, 4), Seat("b", 0, 1, 4)]),
        ([("a", 8), ("b", 4)], 2, [Seat("a", 0, 1, 4), Seat("b", 0, 1, 4)]),
        ([("a", 5), ("b", 3)], 2, [Seat("a", 0, 1, 3), Seat("b", 0, 1, 3)]),
    ],
)
def test_actors_are_spread(nodes: list[tuple[str, int]], actors: int, expected: list[Seat]) -> None:
    assert spread(nodes, actors) == expected


def test_more_actors_than_cpus_are_a_mistake() -> None:
    with pytest.raises(UserError, match=r"^--actors = 4, but the nodes have 3 CPUs: give 3 or fewer, or add nodes$"):
        spread([("a", 2), ("b", 1)], 4)
