"""The loop of steps of one worker."""

import time
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from cluster.monitoring.status import Outcome
from cluster.monitoring.step_info import Hook, StepInfo
from cluster.worker import hooks
from cluster.worker.heartbeat import HeartbeatSender
from cyclegan.training.compiled_function import CompiledFunction
from cyclegan.training.image_pool import pool_draws
from cyclegan.training.passes import FLAGS
from cyclegan.training.schedule import Schedule
from cyclegan.training.state import TrainingState
from cyclegan.training.step import LOSSES, MEANS
from preprocess.feed.feed import Feed

MOST_DROPPED = 5  # steps in a row without effect: one may be a image's fault, so many are the weights'


def run_steps(
    program: CompiledFunction,
    state: TrainingState,
    feed: Feed,
    schedule: Schedule,
    seed: int,
    rows: npt.NDArray[np.int64],
    pool_size: int,
    step: int,
    due: Sequence[Hook],
    reporter: hooks.Reporter | None,
    pulse: HeartbeatSender,
) -> Outcome:
    """Steps from `step` to the schedule's end, unless a stop is asked for or several steps in a row are dropped.

    A step is dropped if one of the updates skipped itself, as its gradient, which is the same on all workers, was not finite.
    """
    position = step * schedule.global_batch
    kind: Literal["finished", "stopped"] = "finished"
    updates, dropped = _updates(state), 0
    while step < schedule.steps:
        begin, waited = time.perf_counter(), feed.waited
        pulse.waits_for_data = True
        real = next(feed)
        pulse.waits_for_data = False
        rate = schedule.rate(position)
        flags = reporter.flags(step + 1) if reporter else np.zeros(len(FLAGS), np.float32)
        draws = pool_draws(seed, position, rows, schedule.global_batch, pool_size)
        result, fake, cycled = program(tf.constant(real), tf.constant(draws), tf.constant(flags), tf.constant(rate, tf.float32))
        means = dict(zip(MEANS, map(float, result.numpy()), strict=True))
        step, position = step + 1, position + schedule.global_batch
        losses = {name: means[name] for name in LOSSES}
        before, updates = updates, _updates(state)
        dropped = 0 if all(now > then for now, then in zip(updates, before, strict=True)) else dropped + 1
        if dropped == MOST_DROPPED:
            reason = ", ".join(f"{name} = {value:.3g}" for name, value in losses.items())
            return Outcome("diverged", step, reason=reason, diverged_at=step - dropped + 1)
        if means["stop"] and step < schedule.steps:
            kind = "stopped"
        seconds = time.perf_counter() - begin
        pulse.stepped(step, seconds)
        moment = StepInfo(
            step=step,
            position=position,
            losses=losses,
            rate=rate,
            seconds=seconds,
            waited=feed.waited - waited,
            real=real,
            fake=fake,
            cycled=cycled,
            save=bool(means["save"]),
            last=kind == "stopped" or step == schedule.steps,
            dropped=dropped > 0,
        )
        for hook in due:
            hook(moment)
        if moment.last:
            break
    return Outcome(kind, step)


def _updates(state: TrainingState) -> tuple[int, int]:
    return int(state.generators.updates.numpy()), int(state.discriminators.updates.numpy())
