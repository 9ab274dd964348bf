"""Warns once when steps wait for data long enough to be worth a change of the configuration."""

import logging
from collections import deque

from cluster.monitoring.step_info import StepInfo

log = logging.getLogger(__name__)

LIMIT = 0.05  # fraction of the steps' time
STEPS = 50  # judged together, so that a single slow one does not count


class DataWait:
    """A hook that warns, once per attempt, when the last steps spent more than `LIMIT` of their time waiting for data."""

    def __init__(self, feed_actors: int) -> None:
        self._actors = feed_actors
        self._steps: deque[tuple[float, float]] = deque(maxlen=STEPS)
        self._warned = False

    def __call__(self, info: StepInfo) -> None:
        """Look at the last steps up to this one."""
        self._steps.append((info.waited, info.seconds))
        share = sum(waited for waited, _ in self._steps) / sum(seconds for _, seconds in self._steps)
        if share > LIMIT and len(self._steps) == STEPS and not self._warned:
            self._warned = True
            log.warning(
                f"step {info.step:,}: the last {STEPS} steps spent {share:.0%} of their time waiting for data: "
                f"use more than data.feed_actors = {self._actors}, or faster storage for the shards"
            )
