"""Ray Train's trainer with no process and no import that a training here does not need: each costs seconds before the first step."""

import asyncio
import gc
import threading
from collections.abc import Callable, Sequence
from typing import Any

import ray
from ray.train.v2._internal.callbacks import DatasetsCallback  # like all of v2, without a public address
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.execution.callback import RayTrainCallback, WorkerGroupCallback
from ray.train.v2._internal.execution.controller import TrainController
from ray.train.v2._internal.execution.scaling_policy import FixedScalingPolicy
from ray.train.v2._internal.execution.worker_group import Worker, WorkerGroup
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
from ray.util.placement_group import PlacementGroup

from cyclegan.import_tensorflow import import_tensorflow

UNNEEDED = (DatasetsCallback, PlacementGroupCleanerCallback)
"""Actors for Ray's data sets, which the feed replaces, and for placement groups, which `Attempt.end` removes."""


class GroupTrainer(DataParallelTrainer):  # type: ignore[misc]
    """Runs a function in a group of workers of a fixed size. Ray Train's controller runs in the calling thread, not in an actor.

    on_reserve: is given the group's placement group as soon as there is one. Its removal ends the group, at whatever stage it is.
    """

    def __init__(self, *arguments: Any, on_reserve: Callable[[PlacementGroup], None] = lambda _: None, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._on_reserve = on_reserve

    def _create_default_callbacks(self) -> list[RayTrainCallback]:
        callbacks = super()._create_default_callbacks()
        return [callback for callback in callbacks if not isinstance(callback, UNNEEDED)]

    def _initialize_and_run_controller(self, **settings: Any) -> Any:
        controller = TrainController(**settings | {"scaling_policy": _WithoutResourceRequest(self.scaling_config)})
        controller.worker_group_cls = _group_class(self._on_reserve)
        asyncio.run(controller.run())
        return controller.get_result()


def _group_class(on_reserve: Callable[[PlacementGroup], None]) -> type[WorkerGroup]:
    class Group(WorkerGroup):  # type: ignore[misc]
        """Created by a process that is no actor, with workers in the environment of the job, as Ray's idle processes have it."""

        def _create_placement_group(self, *arguments: Any) -> Any:
            handle = super()._create_placement_group(*arguments)
            on_reserve(handle.placement_group)
            return handle

        @staticmethod
        def _get_worker_runtime_env(custom_runtime_env: dict[str, Any]) -> dict[str, Any]:
            return dict(custom_runtime_env)

        def _init_train_context_on_workers(self, workers: list[Worker], sync_actor: Any, train_context_args: dict[str, list[Any]]) -> None:
            tasks = [
                worker.actor.init_train_context.remote(
                    train_run_context=self._train_run_context,
                    distributed_context=worker.distributed_context,
                    synchronization_actor=sync_actor,
                    storage_context=self._storage_context,
                    worker_callbacks=self._worker_callbacks_to_propagate,
                    controller_actor=None,  # asked for checkpoints reported to Ray Train, of which there are none
                    **{name: values[place] for name, values in train_context_args.items()},
                )
                for place, worker in enumerate(workers)
            ]
            ray.get(tasks)

    return Group


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
    gc.set_threshold(50_000, 50, 100)  # imports and traces make millions of objects that stay: a tenth of a start was garbage collection
    threading.Thread(target=import_tensorflow, args=[log_level], name="import", daemon=True).start()
