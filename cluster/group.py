"""Runs the group of workers by Ray Train and watches it from the main thread, which owns the signals."""

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.board import Board, News, Outcome
from cluster.job import Job
from cluster.paths import RunPaths
from preprocess.quiet import quiet_stderr

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Group:
    """The size of a group: workers of `cpus` CPUs each."""

    workers: int
    cpus: int
    gpu: bool


class Interrupts:
    """Counts SIGINT and SIGTERM while it is entered."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> "Interrupts":
        """Take over both signals. Within a submitted job SIGINT may come blocked: unblock it."""
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._before)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, *_: object) -> None:
        self.count += 1


class Preload:
    """Imports TensorFlow and the trainer in the background, some seconds, while Ray starts.

    Silently, as TensorFlow's C++ prints: until `wait` returns, nothing that this process writes to standard error appears.
    """

    def __init__(self) -> None:
        self._thread = threading.Thread(target=self._import, name="preload", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wait(self) -> None:
        """Until it is done, if it began."""
        if self._thread.is_alive():
            self._thread.join()

    @staticmethod
    def _import() -> None:
        with quiet_stderr():
            import ray.train.tensorflow  # noqa: F401

            import cluster.backend  # noqa: F401


def run_group(job: Job, group: Group, preload: Preload, show: Callable[[News], None], interrupts: Interrupts) -> News:
    """Train until an outcome is posted or the group cannot go on.

    The first signal asks for a checkpoint and a stop, a second one leaves at once.

    Returns the last news; without an outcome in it, the reason is put there.
    """
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)  # lost only with the driver itself
    board = Board.options(scheduling_strategy=here).remote()  # type: ignore[attr-defined]
    fit = _Fit(replace(job, board=board), group, preload)
    fit.start()
    asked = False
    while fit.is_alive():
        fit.join(POLL_SECONDS)
        news: News = ray.get(board.read.remote())
        show(news)
        if interrupts.count and not asked:
            asked = True
            ray.get(board.ask_to_stop.remote())
            ray.get(board.post.remote(line="stopping: waiting for a checkpoint; once more leaves at once"))
        if interrupts.count > 1 or (news.outcome and news.outcome.kind == "failed"):
            break
    news = ray.get(board.read.remote())
    show(news)
    if news.outcome is None:
        news.outcome = Outcome(
            "failed", news.progress.step if news.progress else 0, reason=fit.error or "left before a checkpoint was written"
        )
    return news


class _Fit(threading.Thread):
    """`TensorflowTrainer.fit()` in a side thread, where it leaves the signals alone."""

    def __init__(self, job: Job, group: Group, preload: Preload) -> None:
        super().__init__(name="fit", daemon=True)
        self._job, self._group, self._preload = job, group, preload
        self.error = ""

    def run(self) -> None:
        try:
            self._preload.wait()
            from ray.train.tensorflow import TensorflowTrainer

            from cluster.backend import RingConfig  # here, as it imports Ray Train: seconds that a mistake of the user must not cost

            trainer = TensorflowTrainer(
                _train_loop, train_loop_config={"job": self._job}, tensorflow_config=RingConfig(), **_configs(self._job, self._group)
            )
            trainer.fit()
        except Exception as error:  # whatever stops the group is told in one line by the main thread
            self.error = f"{_last_line(error)} (all of it is in {RunPaths(self._job.run).failure})"
            RunPaths(self._job.run).failure.write_text(traceback.format_exc())


def _train_loop(settings: dict[str, Job]) -> None:
    """In a worker; TensorFlow is imported there."""
    from cluster.worker import train_loop

    train_loop(settings)


def _configs(job: Job, group: Group) -> dict[str, Any]:
    patience = str(job.config.cluster.peer_timeout)
    os.environ |= {
        "RAY_TRAIN_WORKER_HEALTH_CHECK_TIMEOUT_S": patience,
        "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": str(max(600.0, job.config.cluster.start_timeout)),
        "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
        "RAY_CHDIR_TO_TRIAL_DIR": "0",
        "RAY_TRAIN_METRICS_ENABLED": "0",
    }
    from ray.train import FailureConfig, RunConfig, ScalingConfig

    return {
        "scaling_config": ScalingConfig(num_workers=group.workers, use_gpu=group.gpu, resources_per_worker={"CPU": group.cpus}),
        # A folder for each launch: Ray's own index of a run may be torn by a crash and then fails every later start.
        "run_config": RunConfig(
            name=f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}",
            storage_path=str(RunPaths(job.run).ray),
            failure_config=FailureConfig(max_failures=job.config.cluster.max_restarts),
            worker_runtime_env={"env_vars": {"TF_CPP_MIN_LOG_LEVEL": "2"}},
        ),
    }


def _last_line(error: Exception) -> str:
    return next((line.strip() for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)
