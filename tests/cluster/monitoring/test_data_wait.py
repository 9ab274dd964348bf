from dataclasses import replace

import pytest

from cluster.monitoring.data_wait import STEPS, DataWait
from tests.cluster.worker.test_hooks import moment

LINE = "step 50: the last 50 steps waited for data 6% of their time: use more than data.feed_actors = 1, or faster storage for the shards"


@pytest.mark.parametrize(("waited", "said"), [(0.04, []), (0.06, [LINE])])
def test_waiting_beyond_the_limit_is_said_once(waited: float, said: list[str]) -> None:
    lines: list[str] = []
    watch = DataWait(lines.append, feed_actors=1)
    for step in range(1, 3 * STEPS):
        watch(replace(moment(step), seconds=1.0, waited=waited))
    assert lines == said


def test_a_slow_step_alone_says_nothing() -> None:
    lines: list[str] = []
    watch = DataWait(lines.append, feed_actors=1)
    for step in range(1, 3 * STEPS):
        watch(replace(moment(step), seconds=1.0, waited=0.9 if step in (3, 90) else 0.0))
    assert not lines
