"""What the supervisor needs of its surroundings, so that it can be tested without a cluster."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from cluster.job import Job
from cluster.monitoring.status import RunStatus


class ClusterLost(Exception):
    """The status board or the head of the cluster does not answer; the text states which."""


class RunningAttempt(Protocol):
    """What the supervisor needs of an attempt: see `cluster.driver.attempt.Attempt`."""

    number: int
    workers: int
    error: str

    def start(self) -> None:
        """Start the workers in the background."""

    def is_alive(self) -> bool:
        """Whether the group has not ended."""

    def join(self, timeout: float) -> None:
        """Wait at most `timeout` seconds for the group's end."""

    def status(self) -> RunStatus:
        """Read the status board. Raises ClusterLost."""

    def ask_to_stop(self) -> None:
        """Ask the workers to save a checkpoint and end."""

    def end(self) -> None:
        """Make sure that nothing of the attempt lives on."""


class WatchedNodes(Protocol):
    """What the supervisor needs of the nodes: see `cluster.driver.nodes.Nodes`."""

    def head_answers(self) -> bool:
        """Whether the head of the cluster accepts connections."""

    def room(self) -> int:
        """For how many workers the nodes have room."""

    def larger(self, workers: int) -> tuple[int, float]:
        """The larger valid number of workers that would fit, or 0, and for how many seconds it has. Raises ClusterLost."""

    def lost(self, workers: int) -> bool:
        """Whether the nodes had room for fewer at the last look."""

    def leaving(self, nodes: Iterable[str]) -> str:
        """The address of one of these nodes that is being drained, or ""."""

    def driver_leaving(self) -> bool:
        """Whether the node of this process was being drained at the last look: it takes the driver, and mostly the head, with it."""


class Display(Protocol):
    """Where the supervisor shows what is going on: see `cluster.driver.console.Screen`."""

    def phase(self, text: str) -> None:
        """Show what is going on, until the next phase."""

    def show(self, status: RunStatus) -> None:
        """Show the progress of an attempt."""


class Signals(Protocol):
    """How often the user asked to stop: see `cluster.driver.signals.StopSignals`."""

    count: int


@dataclass(frozen=True)
class Timer:
    """Time in seconds, and how to let it pass."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


NewAttempt = Callable[[Job, int, int], RunningAttempt]
"""Makes an attempt for a job, a number of workers, and a number counted from 1; it is started later."""
