"""What happens every so many steps, beside the training: one signature, so that the loop does not grow."""

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
from cyclegan.training.schedule import Schedule
from cyclegan.training.state import TrainingState

log = logging.getLogger(__name__)


def checkpoints(checkpointer: Checkpointer, state: TrainingState, rows: npt.NDArray[np.int64], cycle_loss: float | None) -> Hook:
    """A checkpoint when one is asked for, and at the last moment. cycle_loss: smoothed, of the checkpoint that the run goes on from."""

    def save(moment: StepInfo) -> None:
        nonlocal cycle_loss
        checkpointer.check()
        loss = sum(value for name, value in moment.losses.items() if name.startswith("cycle_"))
        if math.isfinite(loss):
            cycle_loss = smoothed(cycle_loss, loss, moment.step)
        if moment.save or moment.last:
            checkpointer.save(state, rows, moment.step, moment.position, cycle_loss)

    return save


def checksums(note: Callable[[int, int], object], state: TrainingState, steps: int) -> Hook:
    """Note (step, checksum of all weights) each `steps` steps and with each checkpoint, so that the workers' can be compared."""

    def sum_up(moment: StepInfo) -> None:
        if moment.step % steps == 0 or moment.save or moment.last:
            note(moment.step, checksum(np.asarray(learner.weights.read_value()) for learner in (state.generators, state.discriminators)))

    return sum_up


def warn_dropped() -> Hook:
    """Warns of the first of consecutive steps without effect."""
    before = False

    def warn(info: StepInfo) -> None:
        nonlocal before
        if info.dropped and not before:
            log.warning(f"step {info.step:,} has no effect: its gradients are not finite")
        before = info.dropped

    return warn


class Reporter:
    """Posts progress to the board twice a second, without waiting, and learns from its answers whether to stop.

    Rank 0 has one; what it wants reaches the other ranks by the flags of the next step.
    """

    INTERVAL = 0.5
    SMOOTHING = 0.05  # share of the newest step in the running mean of step times

    def __init__(self, board: Any, schedule: Schedule, save_due: Callable[[int], bool]) -> None:
        self._board, self._schedule, self._save_due = board, schedule, save_due
        self._posted = float("-inf")
        self._answer: Any = None
        self._seconds = self._waited = 0.0
        self._steps = 0
        self._trained = 0.0
        self._stop = False

    def flags(self, step: int) -> npt.NDArray[np.float32]:
        """(save, stop) for `step`, which is the next one."""
        return np.array([self._save_due(step), self._stop], np.float32)

    def __call__(self, moment: StepInfo) -> None:
        """Post, if due."""
        self._steps += 1
        share = max(self.SMOOTHING, 1 / max(1, self._steps - 1))  # a plain mean at first, without the first step, which is slow
        self._seconds += share * (moment.seconds - self._seconds)
        self._waited += share * (moment.waited - self._waited)
        self._trained += moment.seconds
        self._listen()
        now = time.monotonic()
        if (self._steps == 1 or now - self._posted < self.INTERVAL) and not moment.last:
            return
        self._posted = now
        progress = Progress(
            step=moment.step,
            steps=self._schedule.steps,
            losses=moment.losses,
            images_per_second=2 * self._schedule.global_batch / self._seconds,
            wait=self._waited / self._seconds,
            seconds_left=self._seconds * (self._schedule.steps - moment.step),
        )
        self._answer = self._board.set_progress.remote(progress, self._trained)
        self._trained = 0.0

    def _listen(self) -> None:
        if self._answer is not None and ray.wait([self._answer], timeout=0)[0]:
            self._stop = self._stop or ray.get(self._answer)
            self._answer = None
