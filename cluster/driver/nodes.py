"""The nodes of the cluster as the supervisor watches them: room for workers, nodes that leave, and whether the head is there."""

import contextlib
import socket
import time
from collections.abc import Iterable

import ray

from cluster.config import MOST_WORKERS, Config
from cluster.driver.interfaces import ClusterLost
from cluster.hardware.capacity import draining, room, usable_nodes

LOOK_SECONDS = 2.0
HEAD_SECONDS = 10.0  # for the head of the cluster to answer
POLL_SECONDS = 0.2


class Nodes:
    """Room for one run's workers of `cpus` CPUs, and a GPU each if `gpu`. Looks at the nodes at most every two seconds."""

    def __init__(self, config: Config, cpus: int, gpu: bool) -> None:
        self._config, self._cpus, self._gpu = config, cpus, gpu
        self._looked = float("-inf")
        self._draining: set[str] = set()
        self._larger, self._since, self._fit = 0, 0.0, MOST_WORKERS

    def room(self) -> int:
        """For how many workers the nodes that are alive and not about to leave have CPUs, in use or not."""
        self._fit = room([node["Resources"] for node in usable_nodes()], self._cpus, self._gpu)
        return self._fit

    def larger(self, workers: int) -> tuple[int, float]:
        """The larger valid number of workers that would fit, or 0, and for how many seconds it has. Raises ClusterLost."""
        self._look(workers)
        return self._larger, time.monotonic() - self._since if self._larger else 0.0

    def lost(self, workers: int) -> bool:
        """Whether the nodes had room for fewer at the last look."""
        return self._fit < workers

    def leaving(self, nodes: Iterable[str]) -> str:
        """The address of one of these nodes that is being drained, or ""."""
        leaving = self._draining.intersection(nodes)
        return next((str(node["NodeManagerAddress"]) for node in ray.nodes() if node["NodeID"] in leaving), "") if leaving else ""

    def driver_leaving(self) -> bool:
        """Whether the node of this process was being drained at the last look."""
        return ray.get_runtime_context().get_node_id() in self._draining

    def head_answers(self) -> bool:
        """Whether the head accepts connections."""
        return head_answers()

    def _look(self, workers: int) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        if not self.head_answers():
            raise ClusterLost("the head of the cluster does not answer")
        self._draining = set(draining())
        fit = self.room()
        larger = next((n for n in self._config.valid_workers if workers < n <= fit), 0)
        if larger != self._larger:
            self._larger, self._since = larger, now


def head_answers() -> bool:
    """Whether the head accepts connections. Asking Ray itself would block for a minute, then end the process."""
    host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
    deadline = time.monotonic() + HEAD_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            socket.create_connection((host.strip("[]"), int(port)), timeout=HEAD_SECONDS / 2).close()
            return True
        time.sleep(POLL_SECONDS)
    return False
