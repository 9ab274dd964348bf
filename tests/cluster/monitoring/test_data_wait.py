from dataclasses import replace

import pytest

from cluster.monitoring.data_wait import STEPS, DataWait
from tests.cluster.monitoring.test_step_info import step_info

LINE = (
    "step 50: the last 50 steps spent 6% of their time waiting for data: use more than data.feed_actors = 1, "
    "or faster storage for the shards"
)


@pytest.mark.parametrize(("waited", "warnings"), [(0.04, []), (0.06, [LINE])])
def test_waiting_beyond_the_limit_is_reported_once(waited: float, warnings: list[str], caplog: pytest.LogCaptureFixture) -> None:
    watch = DataWait(feed_actors=1)
    for step in range(1, 3 * STEPS):
        watch(replace(step_info(step), seconds=1.0, waited=waited))
    assert caplog.messages == warnings


def test_single_slow_steps_are_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    watch = DataWait(feed_actors=1)
    for step in range(1, 3 * STEPS):
        watch(replace(step_info(step), seconds=1.0, waited=0.9 if step in (3, 90) else 0.0))
    assert not caplog.messages
