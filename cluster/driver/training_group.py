"""The group of workers as Ray Train runs it. Importing this imports Ray Train, which takes seconds."""

import json
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
import ray
from ray.exceptions import RayActorError
from ray.train import FailureConfig, RunConfig, ScalingConfig, WorkerGroupError
from ray.train.backend import Backend, BackendConfig
from ray.train.v2._internal.util import TrainingFramework  # without a public address
from ray.util.placement_group import PlacementGroup

from cluster.driver.group_trainer import GroupTrainer, ImportEarly
from cluster.driver.policy import GroupSize, Timeouts
from cluster.job import Job
from cluster.paths import ray_folder


class GroupError(Exception):
    """Why a group ended, in one line. dead: ranks of the workers whose processes died."""

    def __init__(self, cause: str, dead: Sequence[int]) -> None:
        super().__init__(cause)
        self.dead = dead


def fit(job: Job, group: GroupSize, timeouts: Timeouts, on_reserve: Callable[[PlacementGroup], None]) -> None:
    """Start the workers and wait for their end. Raises whatever ended them, or kept them from starting. on_reserve: see `GroupTrainer`."""
    os.environ |= {
        # Ray Train's own checks come after the policy's, which knows the cause.
        "RAY_TRAIN_WORKER_HEALTH_CHECK_TIMEOUT_S": str(2 * timeouts.peer),
        "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": str(2 * timeouts.start),
        "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
        "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",  # it would wait until a draining node's deadline
        "RAY_TRAIN_ENABLE_CONTROLLER_STRUCTURED_LOGGING": "0",
        "RAY_CHDIR_TO_TRIAL_DIR": "0",
        "RAY_TRAIN_METRICS_ENABLED": "0",
    }
    if job.log_level > logging.DEBUG:
        logging.getLogger("ray.train").setLevel(logging.CRITICAL)  # what it has to say is raised, too
    trainer = GroupTrainer(
        _train_loop,
        train_loop_config={"job": job},
        backend_config=_RingConfig(),
        scaling_config=ScalingConfig(num_workers=group.workers, use_gpu=group.gpu, resources_per_worker={"CPU": group.cpus}),
        run_config=RunConfig(
            # A folder for each attempt: a crash may damage Ray's own index of a run, on which every later attempt would fail.
            name=f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}",
            storage_path=str(ray_folder(job.run)),
            failure_config=FailureConfig(max_failures=0, controller_failure_limit=0),
            callbacks=[ImportEarly(0 if job.log_level <= logging.DEBUG else 2)],
        ),
        on_reserve=on_reserve,
    )
    try:
        trainer.fit()
    except WorkerGroupError as error:
        failures = {rank: getattr(failure, "health_check_failure", failure) for rank, failure in error.worker_failures.items()}
        dead = sorted(rank for rank, failure in failures.items() if isinstance(failure, RayActorError))
        raise GroupError(_cause(failures, dead), dead) from error


def _cause(failures: Mapping[int, Exception], dead: Sequence[int]) -> str:
    """The likely cause: when a worker dies, the others fail because it is missing."""
    if dead:
        return f"worker{'s' if len(dead) > 1 else ''} {', '.join(map(str, dead))} died"
    rank, error = next(iter(failures.items()))
    return f"worker {rank} failed: {type(getattr(error, '_base_exc', error)).__name__}"  # unwrapped; its message is on the board


def _train_loop(settings: dict[str, Job]) -> None:
    """Runs in a worker, with what imports TensorFlow."""
    from cluster.worker.main import train_loop

    train_loop(settings)


@dataclass
class _RingConfig(BackendConfig):  # type: ignore[misc]
    """Replaces Ray's `TensorflowConfig`, whose module imports TensorFlow: seconds in the controller, before any worker starts."""

    @property
    def backend_cls(self) -> type[Backend]:
        return _RingBackend

    @property
    def framework(self) -> TrainingFramework:
        return TrainingFramework.TENSORFLOW


class _RingBackend(Backend):  # type: ignore[misc]
    """Sets `TF_CONFIG` in each worker, from which `MultiWorkerMirroredStrategy` learns its peers."""

    def on_start(self, worker_group: Any, backend_config: _RingConfig) -> None:
        if len(worker_group) == 1:
            return  # without TF_CONFIG, TensorFlow starts no server
        peers = worker_group.execute(_this_peer)
        ray.get([worker_group.execute_single_async(rank, _set_peers, peers, rank) for rank in range(len(worker_group))])


@dataclass(frozen=True)
class _Peer:
    """A worker as its peers reach it, HOST:PORT. sources: addresses that its connections may come from."""

    address: str
    sources: tuple[str, ...]


def _this_peer() -> _Peer:
    """This node's address with a port that was free a moment ago."""
    host = ray.util.get_node_ip_address()
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind(("", 0))
        port = probe.getsockname()[1]
    families = (socket.AF_INET, socket.AF_INET6)
    interfaces = (address for addresses in psutil.net_if_addrs().values() for address in addresses if address.family in families)
    own = {address.address.partition("%")[0] for address in interfaces}
    return _Peer(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", tuple(sorted(own)))


def _set_peers(peers: list[_Peer], rank: int) -> None:
    """In a worker: the group as TensorFlow reads it, with the addresses that the filter on its port admits, which it ignores.

    The peers are reached directly, whatever proxy is set: gRPC would send even these connections through it.
    """
    addresses = [peer.address for peer in peers]
    sources = sorted({source for peer in peers for source in peer.sources})
    task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": rank}, "peers": sources}
    os.environ["TF_CONFIG"] = json.dumps(task)
    hosts = sorted({address.rpartition(":")[0].strip("[]") for address in addresses})
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        os.environ[name] = ",".join([*filter(None, [os.environ.get(name)]), *hosts])
