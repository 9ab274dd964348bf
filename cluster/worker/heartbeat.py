"""The heartbeat of a worker: a thread tells the board every second what the worker does."""

import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from ray.exceptions import RayError

from cluster.monitoring.status import Heartbeat, Phase


class HeartbeatSender:
    """Beats while it is entered. What the training thread sets here is seen by the next beat. send: hands a beat to the board.

    It says that the process lives and how far it is; that a process which lives is stuck is for the driver to find, by its step.
    """

    INTERVAL = 1.0

    def __init__(self, send: Callable[[Heartbeat], object], node: str) -> None:
        self.waits_for_data = False
        self._step, self._step_seconds = 0, 0.0
        self._phase: Phase = "starting"
        self._send, self._node = send, node
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def __enter__(self) -> Self:
        """Start beating."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end.set()
        self._thread.join()

    def enter(self, phase: Phase, step: int = 0) -> None:
        """Tell at once that another phase has begun, at `step`."""
        self._phase, self._step = phase, step or self._step
        self._beat()

    def stepped(self, step: int, seconds: float) -> None:
        """A step was finished; the first one is told at once, as a recovery ends with it."""
        first = self._step_seconds == 0.0
        self._step, self._step_seconds = step, seconds
        if first:
            self._beat()

    def _run(self) -> None:
        self._beat()
        while not self._end.wait(self.INTERVAL):
            self._beat()

    def _beat(self) -> None:
        try:
            self._send(Heartbeat(self._phase, self._step, self._step_seconds, self.waits_for_data, os.getpid(), self._node))
        except RayError:  # without a board the driver has given this start up, and ends it
            return
