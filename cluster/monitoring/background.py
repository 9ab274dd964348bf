"""Work beside the training, in order, in one thread: what writes to a storage must not make a step wait for it."""

import os
import threading
from collections import deque
from collections.abc import Callable

from cluster.worker.hooks import Hook, StepInfo

LONGEST = 16  # moments that wait; each holds its images
NICENESS = 19  # takes what the computing threads leave


class Background:
    """Runs hooks behind the training. say: takes a line for the user when the storage is so slow that moments are left out."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Hook, StepInfo]] = deque()
        self._left = self._done = 0  # moments, since the beginning
        self._full = False
        self._error: BaseException | None = None
        # A daemon: storage that hangs for ever must not keep the process.
        threading.Thread(target=self._run, name="background", daemon=True).start()

    def later(self, hook: Hook) -> Hook:
        """`hook`, run soon after its moment; left out if too many wait. Raises what an earlier one died of."""

        def leave(moment: StepInfo) -> None:
            with self._changed:
                if self._error:
                    raise self._error
                before, self._full = self._full, len(self._waiting) >= LONGEST
                if not self._full:
                    self._waiting.append((hook, moment))
                    self._left += 1
                    self._changed.notify_all()
            if self._full and not before:
                self._say(f"the storage does not take metrics and samples as fast as they come: those of step {moment.step:,} are lost")

        return leave

    def drain(self, seconds: float | None = None) -> bool:
        """Wait until all is done that was left before, whatever is left meanwhile, but at most so long. Returns whether it is."""
        with self._changed:
            left = self._left
            return self._changed.wait_for(lambda: self._done >= left, seconds)

    def _run(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)  # on Linux of this thread alone
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                hook, moment = self._waiting.popleft()
            try:
                if not self._error:
                    hook(moment)
            except BaseException as error:
                self._error = error
            with self._changed:
                self._done += 1
                self._changed.notify_all()
