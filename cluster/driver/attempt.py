"""One life of the group of workers: Ray Train's `fit`, with a board of its own, and how to end it for certain."""

import contextlib
import os
import signal
import threading
import time
import traceback
from dataclasses import dataclass, replace
from pathlib import Path

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.driver.placement_groups import remove_placement_groups
from cluster.driver.policy import Patience
from cluster.job import Job
from cluster.monitoring.status import RunStatus, StatusBoardActor
from cluster.paths import FAILURE
from ringcycle.storage.location import redacted
from ringcycle.storage.store import Store

READ_SECONDS = 30.0  # for an answer of the board, which lives on this node
KILL_SECONDS = 5.0  # for a node to kill a process; a node that does not answer is lost, and its processes with it
END_SECONDS = 20.0


@dataclass(frozen=True)
class Group:
    """The size of a group: workers of `cpus` CPUs each."""

    workers: int
    cpus: int
    gpu: bool


class ClusterLost(Exception):
    """The board does not answer, or the head of the cluster: says which."""


class Attempt(threading.Thread):
    """`TensorflowTrainer.fit()` in a side thread, where it leaves the signals alone. It never starts workers again by itself.

    number: of the start, from 1.
    """

    def __init__(self, job: Job, group: Group, patience: Patience, number: int) -> None:
        super().__init__(name="fit", daemon=True)
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)  # lost only with the driver itself
        self.board = StatusBoardActor.options(scheduling_strategy=here).remote(group.workers, number)
        self.workers = group.workers
        self.began = time.monotonic()
        self.error = ""
        self._news = RunStatus()
        self._job, self._group, self._patience = replace(job, board=self.board), group, patience

    def run(self) -> None:
        """Until the group has ended; `error` says by what, if not by itself."""
        try:
            from cluster.driver.training_group import fit  # here, as it imports Ray Train: seconds that a mistake of the user must not cost

            fit(self._job, self._group, self._patience)
        except Exception as error:  # whatever stops the group is told in one line by the main thread
            self.error = last_line(error)
            with contextlib.suppress(OSError):
                Store(self._job.run).write(FAILURE, redacted(traceback.format_exc()).encode())

    def news(self) -> RunStatus:
        """What the board says. Raises ClusterLost."""
        try:
            self._news = ray.get(self.board.read.remote(), timeout=READ_SECONDS)
        except (RayError, GetTimeoutError) as error:
            raise ClusterLost(f"the board is lost ({last_line(error)})") from error
        return self._news

    def ask_to_stop(self) -> None:
        """Ask the workers for a checkpoint and their end."""
        self.board.ask_to_stop.remote()

    def end(self) -> None:
        """Make sure that nothing of it lives on. Its workers are killed, stopped and hung ones as well; Ray Train then ends by itself.

        If it does not, because it hangs in starting them, its controller is killed, whose workers follow.
        """
        if self.is_alive():
            kills = [
                _kill.options(scheduling_strategy=NodeAffinitySchedulingStrategy(beat.node, soft=False)).remote(beat.pid)
                for beat in self._news.heartbeats.values()
            ]
            if kills:
                ray.wait(kills, num_returns=len(kills), timeout=KILL_SECONDS)
                self.join(END_SECONDS)
        if self.is_alive() and self._news.controller is not None:
            ray.kill(self._news.controller)
            remove_placement_groups(self._news.controller)
        ray.kill(self.board)  # a controller or worker that comes late finds none, and ends
        self.join(END_SECONDS)


@ray.remote(num_cpus=0, max_retries=0)
def _kill(pid: int) -> None:
    """On the process's own node. Only a process of Ray's: its number may have passed on to another."""
    with contextlib.suppress(OSError):
        if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::"):
            os.kill(pid, signal.SIGKILL)


def last_line(error: Exception) -> str:
    """The last line of an error's text: with errors from afar, that of the fact."""
    return next((line.strip() for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)
