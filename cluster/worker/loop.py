"""The training loop of one worker."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from cluster.monitoring.status import Outcome
from cluster.monitoring.step_info import Hook, StepInfo
from cluster.worker.heartbeat import HeartbeatSender
from cyclegan.training.compiled_function import CompiledFunction
from cyclegan.training.passes import FLAGS
from cyclegan.training.schedule import Schedule
from cyclegan.training.state import TrainingState
from preprocess.feed.feed import Feed

MAX_DROPPED = 5  # consecutive steps without effect: a single one may be due to an image, so many are due to the weights


def no_flags(step: int) -> npt.NDArray[np.float32]:
    """The flags of a worker that asks for nothing: all ranks but 0."""
    return np.zeros(len(FLAGS), np.float32)


@dataclass
class TrainingLoop:
    """What the steps of one worker consist of.

    end: the last step, the schedule's or an earlier one. draws: position → draws of this worker's rows, see `step_draws`. flags: number of
    the next step → `[2]` float32 (save, stop), which the step averages over the workers. hooks: called after each step, in order.
    means: names of what `program` returns first, see `Passes.means`.
    """

    program: CompiledFunction
    state: TrainingState
    feed: Feed
    schedule: Schedule
    end: int
    draws: Callable[[int], npt.NDArray[np.int32]]
    hooks: Sequence[Hook]
    heartbeat: HeartbeatSender
    means: Sequence[str]
    flags: Callable[[int], npt.NDArray[np.float32]] = no_flags

    def run(self, step: int) -> Outcome:
        """Take the steps after `step` up to `end`, unless a stop is requested or `MAX_DROPPED` consecutive steps are dropped,
        or the last one is.

        A step is dropped if an update skipped itself because its gradient, which is the same on all workers, was not finite.
        """
        dropped, updates = 0, self._updates()
        while step < self.end:
            info = self._take_step(step, updates)
            step, updates = info.step, self._updates()
            dropped = dropped + 1 if info.dropped else 0
            if dropped == MAX_DROPPED or (dropped and step == self.end):
                reason = ", ".join(f"{name} = {value:.3g}" for name, value in info.losses.items())
                return Outcome("diverged", step, reason=reason, diverged_at=step - dropped + 1)
            self.heartbeat.finish_step(step, info.seconds)
            for hook in self.hooks:
                hook(info)
            if info.last and step < self.end:
                return Outcome("stopped", step)
        return Outcome("finished", step)

    def _take_step(self, step: int, updates: tuple[int, int]) -> StepInfo:
        """Take the step after `step`. updates: counts before it."""
        begin, waited = time.perf_counter(), self.feed.waited
        position = step * self.schedule.global_batch
        real = self._next_images()
        rate = self.schedule.rate(position)
        flags, draws = self.flags(step + 1), self.draws(position)
        result, fake, cycled = self.program(tf.constant(real), tf.constant(draws), tf.constant(flags), tf.constant(rate, tf.float32))
        means = dict(zip(self.means, map(float, result.numpy()), strict=True))
        dropped = not all(now > before for now, before in zip(self._updates(), updates, strict=True))
        return StepInfo(
            step=step + 1,
            position=position + self.schedule.global_batch,
            losses={name: mean for name, mean in means.items() if name not in FLAGS},
            rate=rate,
            seconds=time.perf_counter() - begin,
            waited=self.feed.waited - waited,
            real=real,
            fake=fake,
            cycled=cycled,
            save=bool(means["save"]),
            # A stop waits for a step with effect: nothing is saved while updates are being dropped.
            last=(bool(means["stop"]) and not dropped) or step + 1 == self.end,
            dropped=dropped,
        )

    def _next_images(self) -> npt.NDArray[Any]:
        self.heartbeat.waits_for_data = True
        images = next(self.feed)
        self.heartbeat.waits_for_data = False
        return images

    def _updates(self) -> tuple[int, int]:
        """How many updates the generators and the discriminators have had; a skipped one does not count."""
        return int(self.state.generators.updates.numpy()), int(self.state.discriminators.updates.numpy())
