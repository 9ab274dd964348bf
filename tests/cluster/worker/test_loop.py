"""The loop of steps, with the real networks on one device."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cluster.monitoring.status import Heartbeat
from cluster.worker.heartbeat import HeartbeatSender
from cluster.worker.loop import MOST_DROPPED, run_steps
from cyclegan.config import ModelSpec, TrainConfig
from cyclegan.training.passes import make_passes
from cyclegan.training.schedule import make_schedule
from cyclegan.training.state import make_state
from cyclegan.training.step import make_step
from tests.cyclegan.uncompiled import uncompiled

SIZE = 24
ROWS = np.arange(1)


class Images:
    """A feed of noise."""

    waited = 0.0

    def __next__(self) -> Any:
        return np.random.default_rng(0).integers(0, 256, (2, 1, SIZE, SIZE, 3), np.uint8)


def run(train: TrainConfig, hook: Any, reporter: Any = None, beats: list[Heartbeat] | None = None) -> Any:
    """The outcome of a loop whose units are not compiled, which would take long for nothing."""
    model = ModelSpec(filters=4, blocks=1, discriminator_filters=4, convolution="plain")
    state = make_state(model, train, (SIZE, SIZE))
    step = make_step(make_passes(state, model, train))
    state.assign_initial(0)
    beats = [] if beats is None else beats
    schedule = make_schedule(train, 1, 10)
    with uncompiled():
        return run_steps(
            step, state, Images(), schedule, 0, ROWS, train.pool_size, 0, [hook], reporter, HeartbeatSender(beats.append, "node")
        )  # type: ignore[arg-type]


def test_steps_without_effect_are_dropped_then_end_the_run() -> None:
    moments: list[Any] = []
    outcome = run(TrainConfig(steps=9, learning_rate=1e30), moments.append)
    assert outcome.kind == "diverged"
    assert outcome.step - outcome.diverged_at + 1 == MOST_DROPPED
    assert [moment.dropped for moment in moments] == [step >= outcome.diverged_at for step in range(1, outcome.step)]
    assert "G_AB = nan" in outcome.reason


def test_the_first_step_is_told_at_once() -> None:
    beats: list[Heartbeat] = []
    run(TrainConfig(steps=3), lambda moment: None, beats=beats)
    assert [beat.step for beat in beats] == [1]
    assert beats[0].step_seconds > 0


@pytest.mark.parametrize(("asked_at", "kind", "end"), [(2, "stopped", 3), (99, "finished", 4)])
def test_a_stop_ends_after_the_step_that_carried_it(asked_at: int, kind: str, end: int) -> None:
    moments: list[Any] = []
    reporter = SimpleNamespace(flags=lambda step: np.array([0, len(moments) >= asked_at], np.float32))
    outcome = run(TrainConfig(steps=4), moments.append, reporter)
    assert (outcome.kind, outcome.step) == (kind, end)
    assert [moment.step for moment in moments] == list(range(1, end + 1))
    assert [moment.last for moment in moments] == [False] * (end - 1) + [True]
