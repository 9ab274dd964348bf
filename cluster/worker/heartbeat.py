"""The heartbeat of a worker: a thread reports to the status board every second what the worker is doing."""

import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from ray.exceptions import RayError

from cluster.monitoring.status import Heartbeat, Phase


class HeartbeatSender:
    """Sends heartbeats while it is entered. The training thread sets phase and step here; the next heartbeat carries them.

    A heartbeat shows that the process is alive and how far it has come. Whether a live process is stuck is for the driver to judge, by its
    step. send: passes a heartbeat to the status board. node: id of this process's Ray node.
    """

    INTERVAL = 1.0
    """Seconds between heartbeats."""

    def __init__(self, send: Callable[[Heartbeat], object], node: str) -> None:
        self.waits_for_data = False
        self._step, self._step_seconds = 0, 0.0
        self._phase: Phase = "starting"
        self._send, self._node = send, node
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        """Start the thread."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end.set()
        self._thread.join()

    def enter_phase(self, phase: Phase, step: int = 0) -> None:
        """Report at once that another phase has begun, at `step`."""
        self._phase, self._step = phase, step or self._step
        self._heartbeat()

    def finish_step(self, step: int, seconds: float) -> None:
        """Record a finished step. The first one is reported at once, because it ends a recovery."""
        first = self._step_seconds == 0.0
        self._step, self._step_seconds = step, seconds
        if first:
            self._heartbeat()

    def _run(self) -> None:
        self._heartbeat()
        while not self._end.wait(self.INTERVAL):
            self._heartbeat()

    def _heartbeat(self) -> None:
        try:
            self._send(Heartbeat(self._phase, self._step, self._step_seconds, self.waits_for_data, os.getpid(), self._node))
        except RayError:  # no status board: the driver has given up this attempt and will end this process
            return
