"""Ray Train's trainer with no process and no import that a training here does not need: each costs seconds before the first step."""

import importlib
import os
import threading
from collections.abc import Sequence
from typing import Any

from ray.train.v2._internal.callbacks import DatasetsCallback  # like all of v2, without a public address
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.execution.callback import RayTrainCallback, WorkerGroupCallback
from ray.train.v2._internal.execution.scaling_policy import FixedScalingPolicy
from ray.train.v2._internal.execution.worker_group import Worker
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from ringcycle.tensorflow_environment import tensorflow_environment

UNNEEDED = (DatasetsCallback, PlacementGroupCleanerCallback)
"""Actors for Ray's data sets, which the feed replaces, and for placement groups, which `Attempt.end` removes."""


class GroupTrainer(DataParallelTrainer):  # type: ignore[misc]
    """Runs a function in a group of workers of a fixed size."""

    def _create_default_callbacks(self) -> list[RayTrainCallback]:
        callbacks = super()._create_default_callbacks()
        return [callback for callback in callbacks if not isinstance(callback, UNNEEDED)]

    def _initialize_and_run_controller(self, **settings: Any) -> Any:
        return super()._initialize_and_run_controller(**settings | {"scaling_policy": _WithoutResourceRequest(self.scaling_config)})


class _WithoutResourceRequest(FixedScalingPolicy):  # type: ignore[misc]
    """Asks for resources by the placement group alone, which Ray's autoscaler sees too: Ray Train's own request needs one more actor."""

    def after_controller_start(self, train_run_context: Any) -> None:
        pass

    def _maybe_send_resource_request(self) -> None:
        pass


class ImportEarly(WorkerGroupCallback):  # type: ignore[misc]
    """Workers import TensorFlow while Ray Train still prepares the group. log_level: see `tensorflow_environment`."""

    def __init__(self, log_level: int) -> None:
        self._log_level = log_level

    def before_init_train_context(self, workers: Sequence[Worker]) -> dict[str, list[Any]]:
        """Start the imports; gives the workers no arguments."""
        for worker in workers:
            worker.execute_async(_import_tensorflow, self._log_level)
        return {}


def _import_tensorflow(log_level: int) -> None:
    """In a worker: in the background. TensorFlow alone, which imports nothing that another thread may be importing the other way round."""
    os.environ |= tensorflow_environment(log_level)  # read during the import
    threading.Thread(target=importlib.import_module, args=["tensorflow"], name="import", daemon=True).start()
