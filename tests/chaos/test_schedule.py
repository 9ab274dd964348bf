"""Schedules of faults: by their seed alone, each kind before any comes again."""

from collections import Counter

from tests.chaos.faults import FAULTS, schedule
from tests.chaos.runner import steps_needed


def test_a_seed_gives_one_schedule() -> None:
    assert schedule(20, 3) == schedule(20, 3)
    assert schedule(20, 3) != schedule(20, 4)


def test_kinds_come_equally_often() -> None:
    counts = Counter(one.fault.name for one in schedule(20, 0))
    assert set(counts) == {fault.name for fault in FAULTS}
    assert max(counts.values()) - min(counts.values()) == 1


def test_the_training_is_long_enough() -> None:
    planned = schedule(4, 0)
    assert steps_needed(planned) > sum(one.after for one in planned)
