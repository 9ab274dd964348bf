"""One life of the group of workers: Ray Train's `fit` with a status board of its own, and how to end it for certain."""

import contextlib
import os
import signal
import threading
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.placement_group import PlacementGroup, remove_placement_group
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.driver.interfaces import ClusterLost
from cluster.driver.policy import GroupSize, Timeouts
from cluster.job import Job
from cluster.monitoring.status import RunStatus, StatusBoardActor
from cluster.paths import FAILURE
from ringcycle.stderr import fatal_line
from ringcycle.storage.location import redacted
from ringcycle.storage.store import Store

READ_SECONDS = 30.0  # for an answer of the status board, which lives on this node
KILL_SECONDS = 5.0  # for a node to kill a process; a node that does not answer is lost, and its processes with it
END_SECONDS = 20.0


class Attempt(threading.Thread):
    """`GroupTrainer.fit()` in a side thread, where it leaves the signals alone. It never restarts workers by itself.

    number: counted from 1. error: what ended the group, in one line, or "".
    """

    def __init__(self, job: Job, group: GroupSize, timeouts: Timeouts, number: int) -> None:
        super().__init__(name="fit", daemon=True)
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)  # lost only with the driver itself
        self.board = StatusBoardActor.options(scheduling_strategy=here).remote(group.workers, number)
        self.number, self.workers = number, group.workers
        self.error = ""
        self._placement_group: PlacementGroup | None = None
        self._given_up = threading.Event()
        self._status = RunStatus(number)
        self._job, self._group, self._timeouts = replace(job, board=self.board), group, timeouts

    def run(self) -> None:
        """Return once the group has ended."""
        try:
            from cluster.driver.training_group import fit  # imports Ray Train for seconds, which no user's mistake should cost

            fit(self._job, self._group, self._timeouts, self._on_reserve)
        except Exception as error:  # the main thread reports whatever ends the group, in one line
            self.error = _last_line(error) + self._last_words(getattr(error, "dead", ()))
            with contextlib.suppress(OSError):
                Store(self._job.run).write(FAILURE, redacted(traceback.format_exc()).encode())

    def status(self) -> RunStatus:
        """Read the status board. Raises ClusterLost."""
        try:
            self._status = ray.get(self.board.read.remote(), timeout=READ_SECONDS)
        except (RayError, GetTimeoutError) as error:
            raise ClusterLost(f"the status board is lost ({_last_line(error)})") from error
        return self._status

    def _last_words(self, dead: Sequence[int]) -> str:
        """What the first dead worker wrote before it died, in brackets; empty if nothing of use, or its node does not answer."""
        heartbeat = next((self._status.heartbeats[rank] for rank in dead if rank in self._status.heartbeats), None)
        if heartbeat is None:
            return ""
        there = NodeAffinitySchedulingStrategy(heartbeat.node, soft=False)
        with contextlib.suppress(RayError, GetTimeoutError):
            words = ray.get(_fatal_line.options(scheduling_strategy=there).remote(heartbeat.pid), timeout=KILL_SECONDS)
            return f" ({words})" if words else ""
        return ""

    def ask_to_stop(self) -> None:
        """Ask the workers to save a checkpoint and end."""
        self.board.ask_to_stop.remote()

    def end(self) -> None:
        """Make sure that nothing of the attempt lives on. Kills its workers, even stopped and hung ones; Ray Train then ends by itself.

        If it does not, since it hangs while starting them, it loses their room, and they die with it.
        """
        self._given_up.set()
        if self.is_alive():
            kills = [
                _kill.options(scheduling_strategy=NodeAffinitySchedulingStrategy(heartbeat.node, soft=False)).remote(heartbeat.pid)
                for heartbeat in self._status.heartbeats.values()
            ]
            if kills:
                ray.wait(kills, num_returns=len(kills), timeout=KILL_SECONDS)
                self.join(END_SECONDS)
        if self._placement_group is not None and self.is_alive():
            remove_placement_group(self._placement_group)
        ray.kill(self.board)  # a worker that starts too late finds none, and ends
        self.join(END_SECONDS)

    def _on_reserve(self, group: PlacementGroup) -> None:
        """Note the workers' room; one that comes after the end is given back."""
        self._placement_group = group
        if self._given_up.is_set():
            remove_placement_group(group)


@ray.remote(num_cpus=0, max_retries=0)
def _kill(pid: int) -> None:
    """Runs on the process's own node. Kills only a process of Ray's, since the number may have passed on to another one."""
    with contextlib.suppress(OSError):
        if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::"):
            os.kill(pid, signal.SIGKILL)


@ray.remote(num_cpus=0, max_retries=0)
def _fatal_line(pid: int) -> str:
    """Runs on the process's own node: why it died, by its standard error, which Ray keeps in a file."""
    files = Path(_global_node().get_logs_dir_path()).glob(f"worker-*-{pid}.err")
    return next((line for file in files if (line := fatal_line(file.read_text(errors="replace")))), "")


def _global_node() -> Any:
    """Ray's record of this node, for which it has no public name."""
    return ray._private.worker._global_node


def _last_line(error: Exception) -> str:
    """The last line of an error's text: in errors of remote calls, the original fact."""
    return next((line.strip() for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)
