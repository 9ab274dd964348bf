"""The training loop, with the real networks on one device."""

from typing import Any

import numpy as np
import pytest

from cluster.monitoring.status import Heartbeat, Outcome
from cluster.monitoring.step_info import Hook, StepInfo
from cluster.worker.heartbeat import HeartbeatSender
from cluster.worker.loop import MAX_DROPPED, TrainingLoop
from cyclegan.config import ModelSpec, TrainConfig
from cyclegan.training.image_pool import pool_draws
from cyclegan.training.passes import make_passes
from cyclegan.training.schedule import make_schedule
from cyclegan.training.state import make_state
from cyclegan.training.step import make_step
from tests.cyclegan.uncompiled import uncompiled

SIZE = 24
ROWS = np.arange(1)


class Noise:
    """A feed of noise."""

    waited = 0.0

    def __next__(self) -> Any:
        return np.random.default_rng(0).integers(0, 256, (2, 1, SIZE, SIZE, 3), np.uint8)


def run(train: TrainConfig, hook: Hook, heartbeats: list[Heartbeat] | None = None, until: int = 0, **settings: Any) -> Outcome:
    """The outcome of a loop whose units are not compiled, which would only take time."""
    model = ModelSpec(filters=4, blocks=1, discriminator_filters=4, convolution="plain")
    state = make_state(model, train, (SIZE, SIZE))
    passes = make_passes(state, model, train)
    step = make_step(passes)
    state.assign_initial(0)
    feed: Any = Noise()
    loop = TrainingLoop(
        program=step,
        state=state,
        feed=feed,
        schedule=make_schedule(train, 1, 10),
        end=until or train.steps,
        draws=lambda position: pool_draws(0, position, ROWS, 1, train.pool_size),
        hooks=[hook],
        heartbeat=HeartbeatSender(([] if heartbeats is None else heartbeats).append, "node"),
        means=passes.means,
        **settings,
    )
    with uncompiled():
        return loop.run(0)


def test_steps_without_effect_are_dropped_and_then_end_the_run() -> None:
    steps: list[StepInfo] = []
    outcome = run(TrainConfig(steps=9, learning_rate=1e30), steps.append)
    assert outcome.kind == "diverged"
    assert outcome.step - outcome.diverged_at + 1 == MAX_DROPPED
    assert [info.dropped for info in steps] == [step >= outcome.diverged_at for step in range(1, outcome.step)]
    assert "G_AB = nan" in outcome.reason


def test_it_may_end_before_the_schedule_does() -> None:
    steps: list[StepInfo] = []
    assert run(TrainConfig(steps=9), steps.append, until=2) == Outcome("finished", 2)
    assert [info.last for info in steps] == [False, True]
    whole: list[StepInfo] = []
    run(TrainConfig(steps=9), whole.append)
    assert [info.rate for info in steps] == [info.rate for info in whole[:2]], "with the rates of the complete run"


def test_the_first_step_is_reported_at_once() -> None:
    heartbeats: list[Heartbeat] = []
    run(TrainConfig(steps=3), lambda info: None, heartbeats)
    assert [heartbeat.step for heartbeat in heartbeats] == [1]
    assert heartbeats[0].step_seconds > 0


@pytest.mark.parametrize(("asked_at", "kind", "end"), [(2, "stopped", 3), (99, "finished", 4)])
def test_a_stop_request_ends_the_run_after_the_step_that_carried_it(asked_at: int, kind: str, end: int) -> None:
    steps: list[StepInfo] = []
    outcome = run(TrainConfig(steps=4), steps.append, flags=lambda step: np.array([0, len(steps) >= asked_at], np.float32))
    assert (outcome.kind, outcome.step) == (kind, end)
    assert [info.step for info in steps] == list(range(1, end + 1))
    assert [info.last for info in steps] == [False] * (end - 1) + [True]


def test_a_run_whose_last_step_has_no_effect_has_diverged() -> None:
    first = run(TrainConfig(steps=9, learning_rate=1e30), lambda info: None).diverged_at
    outcome = run(TrainConfig(steps=first + 1, learning_rate=1e30), lambda info: None)
    assert (outcome.kind, outcome.step, outcome.diverged_at) == ("diverged", first + 1, first)


def test_a_stop_waits_while_updates_are_dropped() -> None:
    steps: list[StepInfo] = []
    asked = run(TrainConfig(steps=9, learning_rate=1e30), lambda info: None).diverged_at
    outcome = run(TrainConfig(steps=99, learning_rate=1e30), steps.append, flags=lambda step: np.array([0, step >= asked], np.float32))
    assert (outcome.kind, outcome.step) == ("diverged", asked + MAX_DROPPED - 1)
    assert not any(info.last for info in steps)
