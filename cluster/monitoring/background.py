"""Hooks that run in a thread beside the training, in order, so that no step waits for the storage."""

import logging
import os
import threading
from collections import deque

from cluster.monitoring.step_info import Hook, StepInfo

log = logging.getLogger(__name__)

MAX_WAITING = 16  # steps; each holds its images
NICENESS = 19  # leaves the CPUs to the computing threads


class Background:
    """Runs hooks in a background thread. When the storage is too slow for them, steps are dropped and a warning is logged."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Hook, StepInfo]] = deque()
        self._submitted = self._done = 0
        self._full = False
        self._error: BaseException | None = None
        # A daemon: storage that hangs forever must not keep the process alive.
        threading.Thread(target=self._run, name="background", daemon=True).start()

    def later(self, hook: Hook) -> Hook:
        """`hook`, run in the background soon after its step, or skipped if too many wait. Raises the error of an earlier one."""

        def submit(info: StepInfo) -> None:
            with self._changed:
                if self._error:
                    raise self._error
                before, self._full = self._full, len(self._waiting) >= MAX_WAITING
                if not self._full:
                    self._waiting.append((hook, info))
                    self._submitted += 1
                    self._changed.notify_all()
            if self._full and not before:
                log.warning(f"the storage is too slow for the metrics and samples: dropped those of step {info.step:,}")

        return submit

    def drain(self, seconds: float | None = None) -> bool:
        """Wait at most `seconds` until everything submitted so far is done, whatever is submitted meanwhile. Returns whether it is."""
        with self._changed:
            submitted = self._submitted
            return self._changed.wait_for(lambda: self._done >= submitted, seconds)

    def _run(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)  # on Linux, of this thread alone
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                hook, info = self._waiting.popleft()
            try:
                if not self._error:
                    hook(info)
            except BaseException as error:
                self._error = error
            with self._changed:
                self._done += 1
                self._changed.notify_all()
