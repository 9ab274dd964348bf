"""How a process becomes a worker: it binds itself, sets up TensorFlow, and agrees with the others where to begin."""

import logging
import uuid
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import ray
import ray.train
import ray.train.collective

from cluster.checkpointing.resume import check_any_valid, remove_partial
from cluster.checkpointing.retention import set_aside
from cluster.hardware.affinity import bind_process, cpus_of_workers
from cluster.hardware.topology import Share
from cluster.job import Job, plan_of
from cluster.paths import CONFIG, checkpoints_of
from cluster.worker.gpu import use_gpu
from cluster.worker.strategy import set_threads
from cyclegan.checkpoint_files.folders import find_newest
from cyclegan.checkpoint_files.index import read_index
from cyclegan.config import TrainConfig
from cyclegan.training.compile_cache import set_up_xla
from cyclegan.training.draws import step_draws
from cyclegan.training.schedule import Schedule, make_schedule
from preprocess.feed.plan import Plan, WorkerShare
from preprocess.shards.manifest import Manifest
from ringcycle.storage.location import Location, child
from ringcycle.storage.store import Store, parent_and_name
from ringcycle.user_cache import compile_cache

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Worker:
    """This process's part of an attempt.

    share: of the node's cores. node_cpus: on which all workers of the node compute. gpu: whether it computes on a GPU. token: names the
    attempt, the same on all ranks. resumed: the checkpoint to resume from, which is of `step`.
    """

    job: Job
    rank: int
    workers: int
    share: Share
    node_cpus: set[int]
    gpu: bool
    token: str
    resumed: Location | None
    step: int
    plan: Plan
    schedule: Schedule
    fingerprint: str

    @property
    def board(self) -> Any:
        """Handle of the status board."""
        return self.job.board

    @property
    def checkpoints(self) -> Location:
        """The folder of the run's checkpoints."""
        return checkpoints_of(self.job.run)

    @property
    def end(self) -> int:
        """The last step of this job."""
        return min(self.schedule.steps, self.job.until or self.schedule.steps)

    @cached_property
    def train(self) -> TrainConfig:
        """The section `train`, with the batch of this worker."""
        return self.job.config.train_of(self.workers)

    @property
    def feed_share(self) -> WorkerShare:
        """This worker's part of each global batch."""
        return WorkerShare(self.rank, self.workers, self.train.batch)

    @cached_property
    def rows(self) -> npt.NDArray[np.int64]:
        """This worker's rows of the global batch."""
        return np.arange(self.schedule.global_batch)[self.rank :: self.workers]

    def draws(self, position: int) -> npt.NDArray[np.int32]:
        """The random numbers of this worker's rows at `position`, and which of these hold known pairs."""
        paired = self.plan.worker_rows(position, self.feed_share).paired if self.train.lambda_pairs else None
        return step_draws(self.train, position, self.rows, self.schedule.global_batch, paired)


def join_group(job: Job) -> Worker:
    """Bind this process, set up TensorFlow, and agree with the other ranks where to begin."""
    config, context = job.config, ray.train.get_context()
    rank, workers = context.get_world_rank(), context.get_world_size()
    cpus = int(ray.get_runtime_context().get_assigned_resources().get("CPU", 1))
    neighbours = context.get_local_world_size()
    node_cpus = cpus_of_workers(neighbours, cpus)
    share = bind_process(context.get_local_rank(), neighbours, cpus)
    set_threads(len(share.compute))
    set_up_xla(compile_cache(job.compile_cache))
    gpu = job.gpu and use_gpu(config.cluster.device)
    token, resumed = _agree(job, rank)
    cores, service = (", ".join(map(str, some)) for some in (share.compute, share.service))
    origin = Store(resumed).label() if resumed else "nothing"
    log.debug(f"worker {rank} of {workers}: computes on cores {cores}, reads on {service}, resumes from {origin}")
    manifest = Manifest.load(job.shards)
    plan = plan_of(config, manifest, job.pairs)
    schedule = make_schedule(config.train, config.global_batch, plan.epoch_length)
    return Worker(
        job=job,
        rank=rank,
        workers=workers,
        share=share,
        node_cpus=node_cpus,
        gpu=gpu,
        token=token,
        resumed=resumed,
        step=read_index(resumed).step if resumed else 0,
        plan=plan,
        schedule=replace(schedule, peak=schedule.peak * job.rate),
        fingerprint=manifest.fingerprint,
    )


def _agree(job: Job, rank: int) -> tuple[str, Location | None]:
    """What rank 0 decides for all ranks: a token of this attempt, and the checkpoint to resume from."""
    root, decision = checkpoints_of(job.run), None
    if rank == 0:
        if Store(job.run).size(CONFIG) is None:  # the driver wrote it: storage that has vanished is a failure, not a new run
            raise FileNotFoundError(f"{Store(job.run).label(CONFIG)} no longer exists")
        remove_partial(root)
        newest = find_newest(root)
        check_any_valid(root, newest, job.config.run.name)
        set_aside(root, newest)
        decision = (uuid.uuid4().hex[:8], parent_and_name(newest)[1] if newest else None)
    token, name = ray.train.collective.broadcast_from_rank_zero(decision)
    return token, child(root, name) if name else None
