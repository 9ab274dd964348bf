"""When a checkpoint is due. Rank 0 decides; a flag in the step's exchange makes all ranks save at the same step."""

import time
from collections.abc import Callable


class SaveRule:
    """A checkpoint is due at each multiple of `steps`, and `minutes` after the last one; if a save is under way, once it is done."""

    def __init__(self, steps: int, minutes: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._steps, self._seconds, self._clock = steps, 60 * minutes, clock
        self._last = clock()
        self._owed = False

    def due(self, step: int, busy: bool) -> bool:
        """Whether to save at the end of `step`. busy: a save is under way. Call it once for each step."""
        wanted = self._owed or step % self._steps == 0 or self._clock() - self._last >= self._seconds
        self._owed = wanted and busy
        if wanted and not busy:
            self._last = self._clock()
        return wanted and not busy
