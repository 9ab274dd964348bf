"""The group as Ray Train runs it. Importing this imports Ray Train, which takes seconds."""

import os
import time
from collections.abc import Mapping
from typing import Any

import ray
from ray.exceptions import RayActorError
from ray.train import FailureConfig, RunConfig, ScalingConfig, WorkerGroupError
from ray.train.tensorflow import TensorflowTrainer
from ray.train.v2._internal.execution.callback import ControllerCallback  # a DeveloperAPI without a public address

from cluster.driver.attempt import Group
from cluster.driver.backend import RingConfig
from cluster.driver.policy import Patience
from cluster.job import Job
from cluster.paths import ray_folder


def fit(job: Job, group: Group, patience: Patience) -> None:
    """Start the workers and wait for their end. Raises whatever ended them, or kept them from starting."""
    os.environ |= {
        # Ray Train's own checks come after the policy's, which know the cause.
        "RAY_TRAIN_WORKER_HEALTH_CHECK_TIMEOUT_S": str(2 * patience.peer),
        "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": str(2 * patience.start),
        "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
        "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",  # it would wait out the grace of a draining node
        "RAY_CHDIR_TO_TRIAL_DIR": "0",
        "RAY_TRAIN_METRICS_ENABLED": "0",
    }
    trainer = TensorflowTrainer(
        _train_loop,
        train_loop_config={"job": job},
        tensorflow_config=RingConfig(),
        scaling_config=ScalingConfig(num_workers=group.workers, use_gpu=group.gpu, resources_per_worker={"CPU": group.cpus}),
        run_config=RunConfig(
            # A folder for each start: Ray's own index of a run may be torn by a crash and then fails every later one.
            name=f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}",
            storage_path=str(ray_folder(job.run)),
            failure_config=FailureConfig(max_failures=0, controller_failure_limit=0),
            worker_runtime_env={"env_vars": {"TF_CPP_MIN_LOG_LEVEL": "2"}},
            callbacks=[_Introduce(job.board)],
        ),
    )
    try:
        trainer.fit()
    except WorkerGroupError as error:
        raise GroupError(_cause(error.worker_failures)) from error


class GroupError(Exception):
    """Why a group ended, in one line."""


def _cause(failures: Mapping[int, Exception]) -> str:
    """The likely cause: when a worker dies, the others fail for want of it."""
    dead = [rank for rank, error in failures.items() if isinstance(error, RayActorError)]
    if dead:
        return f"worker{'s' if len(dead) > 1 else ''} {', '.join(map(str, sorted(dead)))} died"
    rank, error = next(iter(failures.items()))
    return f"worker {rank} failed: {type(getattr(error, '_base_exc', error)).__name__}"  # in Ray's wrapping; its line is on the board


class _Introduce(ControllerCallback):  # type: ignore[misc]
    """Posts the handle of the controller to the board, so that it can be killed. Without a board, it was given up: then it fails."""

    def __init__(self, board: Any) -> None:
        self._board = board

    def after_controller_start(self, train_run_context: Any) -> None:
        ray.get(self._board.set_controller.remote(ray.get_runtime_context().current_actor))


def _train_loop(settings: dict[str, Job]) -> None:
    """In a worker; TensorFlow is imported there."""
    from cluster.worker.main import train_loop

    train_loop(settings)
