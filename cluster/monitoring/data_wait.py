"""Do the steps wait for data? Said once, when it becomes worth a change."""

from collections import deque
from collections.abc import Callable

from cluster.worker.hooks import StepInfo

LIMIT = 0.05  # of the time of the steps
STEPS = 50  # looked at together, so that a slow one alone says nothing


class DataWait:
    """Tells, once in a run, that the last steps spent more than `LIMIT` of their time waiting for data, and what would help."""

    def __init__(self, say: Callable[[str], object], feed_actors: int) -> None:
        self._say, self._actors = say, feed_actors
        self._steps: deque[tuple[float, float]] = deque(maxlen=STEPS)
        self._said = False

    def __call__(self, moment: StepInfo) -> None:
        """Look at a step and those before it."""
        self._steps.append((moment.waited, moment.seconds))
        share = sum(waited for waited, _ in self._steps) / sum(seconds for _, seconds in self._steps)
        if share > LIMIT and len(self._steps) == STEPS and not self._said:
            self._said = True
            self._say(
                f"step {moment.step:,}: the last {STEPS} steps waited for data {share:.0%} of their time: "
                f"use more than data.feed_actors = {self._actors}, or faster storage for the shards"
            )
