"""Work beside the training, in order, in one thread: what writes to a storage must not make a step wait for it."""

import os
import queue
import threading
from collections.abc import Callable

from cluster.hooks import Hook, Moment

LONGEST = 16  # moments that wait; each holds its pictures
NICENESS = 19  # takes what the computing threads leave


class Background:
    """Runs hooks behind the training. say: takes a line for the user when the storage is so slow that moments are left out."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._waiting: queue.Queue[tuple[Hook, Moment]] = queue.Queue(LONGEST)
        self._full = False
        self._error: BaseException | None = None
        # A daemon: storage that hangs for ever must not keep the process.
        threading.Thread(target=self._run, name="background", daemon=True).start()

    def later(self, hook: Hook) -> Hook:
        """`hook`, run soon after its moment; left out if too many wait. Raises what an earlier one died of."""

        def leave(moment: Moment) -> None:
            if self._error:
                raise self._error
            try:
                self._waiting.put_nowait((hook, moment))
                self._full = False
            except queue.Full:
                if not self._full:
                    self._say(f"the storage does not take metrics and samples as fast as they come: those of step {moment.step:,} are lost")
                self._full = True

        return leave

    def drain(self) -> None:
        """Wait until all is done that was left before."""
        self._waiting.join()

    def close(self, seconds: float) -> bool:
        """Wait for that, but at most so long. Returns whether all is done."""
        waiter = threading.Thread(target=self.drain, daemon=True)
        waiter.start()
        waiter.join(seconds)
        return not waiter.is_alive()

    def _run(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)  # on Linux of this thread alone
        while True:
            hook, moment = self._waiting.get()
            try:
                if not self._error:
                    hook(moment)
            except BaseException as error:
                self._error = error
            finally:
                self._waiting.task_done()
