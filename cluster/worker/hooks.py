"""What a worker does after a step besides training: hooks, all with the signature `Hook`, so that the loop does not grow."""

import logging
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import ray

from cluster.checkpointing.checkpointer import Checkpointer
from cluster.checkpointing.retention import smoothed
from cluster.monitoring.status import Progress
from cluster.monitoring.step_info import Hook, StepInfo
from cluster.monitoring.weight_checksums import checksum
from cyclegan.training.state import TrainingState

log = logging.getLogger(__name__)


def checkpoints(checkpointer: Checkpointer, state: TrainingState, rows: npt.NDArray[np.int64], cycle_loss: float | None) -> Hook:
    """Saves a checkpoint when one is requested, and after the last step. cycle_loss: smoothed, from the checkpoint the run resumes from.

    While updates are being dropped, the weights may be the reason, and nothing is saved: a request waits for the next step with effect.
    """
    owed = False

    def save(info: StepInfo) -> None:
        nonlocal cycle_loss, owed
        checkpointer.check()
        loss = sum(value for name, value in info.losses.items() if name.startswith("cycle_"))
        if math.isfinite(loss):
            cycle_loss = smoothed(cycle_loss, loss, info.step)
        owed = owed or info.save or info.last
        if owed and not info.dropped:
            owed = False
            checkpointer.save(state, rows, info.step, info.position, cycle_loss)

    return save


def checksums(report: Callable[[int, int], object], state: TrainingState, steps: int) -> Hook:
    """Reports (step, checksum of all weights) every `steps` steps and with each checkpoint, so that the workers' can be compared."""

    def sum_up(info: StepInfo) -> None:
        if info.step % steps == 0 or info.save or info.last:
            report(info.step, checksum(np.asarray(learner.weights.read_value()) for learner in (state.generators, state.discriminators)))

    return sum_up


def report_dropped_updates() -> Hook:
    """Logs a warning for the first of consecutive steps without effect."""
    before = False

    def warn(info: StepInfo) -> None:
        nonlocal before
        if info.dropped and not before:
            log.warning(f"step {info.step:,} has no effect: its gradients are not finite")
        before = info.dropped

    return warn


class Reporter:
    """Reports progress to the status board twice a second, without waiting, and learns from its answers whether to stop.

    Runs on rank 0; its requests reach the other ranks through the flags of the next step.
    """

    INTERVAL = 0.5
    """Seconds between reports."""
    SMOOTHING = 0.05
    """Weight of the newest step in the running mean of step times."""

    def __init__(
        self, board: Any, global_batch: int, epoch_length: int, steps: int, save_due: Callable[[int], bool], checkpoint: Callable[[], int]
    ) -> None:
        """epoch_length: images of each domain. steps: the last one. checkpoint: tells the step of the newest one, 0 if there is none."""
        self._board, self._global_batch, self._epoch_length = board, global_batch, epoch_length
        self._last, self._save_due, self._checkpoint = steps, save_due, checkpoint
        self._reported = float("-inf")
        self._answer: Any = None
        self._seconds = self._waited = 0.0
        self._steps = 0
        self._trained = 0.0
        self._stop = False

    def flags(self, step: int) -> npt.NDArray[np.float32]:
        """(save, stop) for `step`, the next one."""
        return np.array([self._save_due(step), self._stop], np.float32)

    def __call__(self, info: StepInfo) -> None:
        """Report, if due."""
        self._steps += 1
        weight = max(self.SMOOTHING, 1 / max(1, self._steps - 1))  # at first a plain mean, without the first step, which is slow
        self._seconds += weight * (info.seconds - self._seconds)
        self._waited += weight * (info.waited - self._waited)
        self._trained += info.seconds
        self._listen()
        now = time.monotonic()
        if (self._steps == 1 or now - self._reported < self.INTERVAL) and not info.last:
            return
        self._reported = now
        progress = Progress(
            step=info.step,
            steps=self._last,
            losses=info.losses,
            images_per_second=2 * self._global_batch / self._seconds,
            wait=self._waited / self._seconds,
            seconds_left=self._seconds * (self._last - info.step),
            epoch=info.position / self._epoch_length,
            checkpoint=self._checkpoint(),
        )
        self._answer = self._board.set_progress.remote(progress, self._trained)
        self._trained = 0.0

    def _listen(self) -> None:
        if self._answer is not None and ray.wait([self._answer], timeout=0)[0]:
            self._stop = self._stop or ray.get(self._answer)
            self._answer = None
