"""How many pods a training needs, and of what size: from its configuration and from the memory of its programs. Pure functions."""

import math
from dataclasses import dataclass

from cluster.config import Config
from ringcycle.errors import UserError
from ringcycle.storage.location import is_remote

GIB = 2**30
LEAST_STORE = GIB
START_SECONDS = 900.0
"""Until the pods are there: new machines may have to boot and pull the image. Replaces the default of `cluster.start_timeout`."""

_LIBRARIES = 0.7 * GIB  # Python with TensorFlow and Ray (benchmarks/RESULTS.md, 2026-11-25)
_PROGRAMS = 1.5 * GIB  # traced and compiled; and what compiling them takes
_FEED_ACTOR = 0.25 * GIB
_RAY = GIB  # raylet, agents and idle processes of a node
_EVALUATION = 2 * GIB  # a task that translates held-out images, on any node
_MARGIN = 1.1


@dataclass(frozen=True)
class PodSizes:
    """The pods of the workers. least, most: their number. cpus: of a pod; `ray_cpus` of them are a worker's, the other one is Ray's own.

    memory, store: bytes of a pod, and of its object store, which is part of it. home: bytes for what a pod caches in its home folder.
    """

    least: int
    most: int
    cpus: int
    ray_cpus: int
    memory: int
    store: int
    home: int

    def describe(self) -> str:
        """In one line."""
        number = f"{self.most}" if self.least == self.most else f"{self.least} to {self.most}"
        return f"{number} worker{'s' * (self.most > 1)}, a pod each: {self.cpus} CPUs, {self.memory // GIB} GiB"


def pod_sizes(config: Config, state: int, passes: int) -> PodSizes:
    """The workers' pods. state, passes: bytes of a worker's variables, and of what its programs take besides.

    Raises UserError if the configuration leaves the number of workers or CPUs to the cluster, which is not there yet.
    """
    if not config.cluster.workers:
        raise UserError("cluster.workers = 0 counts nodes that are not there yet: give the number of workers, one for each pod")
    if not config.cluster.cpus_per_worker:
        raise UserError("cluster.cpus_per_worker = 0 shares the CPUs of pods that are not there yet: give the CPUs of each worker")
    store = max(LEAST_STORE, int(4 * config.data.read_ahead_mb * 2**20))
    parts = [
        _LIBRARIES,
        _PROGRAMS,
        2 * state,  # and the copy from which a checkpoint is written
        passes,
        config.data.feed_actors * _FEED_ACTOR,
        _RAY,
        _EVALUATION if config.evaluate.every else 0,
    ]
    memory = math.ceil((sum(parts) * _MARGIN + store) / GIB) * GIB
    remote = is_remote(config.data.shards or config.run.storage)
    home = math.ceil(config.data.cache_gb if remote else 0) * GIB + GIB
    cpus = config.cluster.cpus_per_worker
    return PodSizes(config.cluster.least, config.cluster.most, cpus + 1, cpus, memory, store, home)


def check_node(sizes: PodSizes, node: tuple[int, int] | None) -> None:
    """Raises UserError if a worker's pod does not fit on a node that has these CPUs and bytes for pods. None: nothing is known of nodes."""
    if node is None:
        return
    cpus, memory = node
    if sizes.cpus > cpus:
        raise UserError(
            f"cluster.cpus_per_worker = {sizes.ray_cpus} takes a pod of {sizes.cpus} CPUs, but a node has {cpus}: use {cpus - 1} or fewer"
        )
    if sizes.memory > memory:
        raise UserError(
            f"a worker takes {sizes.memory // GIB} GiB, but a node has {memory / GIB:.3g}: use a smaller train.batch, data.crop_size or "
            "model.filters, train.accumulate, or model.remat = true"
        )
