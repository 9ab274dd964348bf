"""Brings the warnings of build actors to the driver's log: Ray keeps what actors log on their own nodes."""

import logging
import time
from typing import Any

import ray
from ray.exceptions import RayActorError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ringcycle.logs import send_lines

_POLL_SECONDS = 1.0
_SEND_SECONDS = 10.0  # for which an actor waits until its line has arrived
_CLOSE_SECONDS = 3.0

log = logging.getLogger(__name__)


class LineCollector:
    """A Ray actor that keeps lines until the driver takes them, and the files at which actors are that must be watched."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._files: dict[str, str] = {}

    def set_file(self, shard: str, name: str) -> None:
        """Keep the file that a shard's actor is about to decode; empty: none."""
        self._files[shard] = name

    def file_of(self, shard: str) -> str:
        """The file that a shard's actor was decoding last; empty if none, or unknown."""
        return self._files.get(shard, "")

    def add_line(self, text: str) -> None:
        """Keep one line."""
        self._lines.append(text)

    def take(self) -> list[str]:
        """The lines that arrived since the last call."""
        lines, self._lines = self._lines, []
        return lines


class LineRelay:
    """The driver's end: starts a collector on its own node and logs, as warnings, the lines that arrive there."""

    def __init__(self) -> None:
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self.collector: Any = ray.remote(LineCollector).options(num_cpus=0, scheduling_strategy=here).remote()
        self._answer = self.collector.take.remote()
        self._asked = time.monotonic()

    def poll(self) -> None:
        """Log what has arrived, at most once a second. Never waits."""
        if time.monotonic() - self._asked >= _POLL_SECONDS and self._log(0):
            self._answer = self.collector.take.remote()
            self._asked = time.monotonic()

    def close(self) -> None:
        """Log the remaining lines and end the collector. An actor waits until its line is there, so none is missed."""
        if self._log(_CLOSE_SECONDS):
            self._answer = self.collector.take.remote()
            self._log(_CLOSE_SECONDS)
        ray.kill(self.collector)

    def _log(self, seconds: float) -> bool:
        """Log the lines asked for, waiting up to `seconds` for them; whether they came. A collector that died has none."""
        ready, _ = ray.wait([self._answer], timeout=seconds)
        try:
            for line in ray.get(self._answer) if ready else ():
                log.warning("%s", line)
        except RayActorError:
            return False
        return bool(ready)


def send_warnings(collector: Any) -> None:
    """Send the warnings that this actor's process logs from now on to a collector."""
    send_lines(lambda line: ray.get(collector.add_line.remote(line), timeout=_SEND_SECONDS), logging.WARNING)
