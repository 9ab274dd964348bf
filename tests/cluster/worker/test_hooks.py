from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cluster.checkpointing.checkpointer import Checkpointer
from cluster.monitoring.status import StatusBoard
from cluster.worker.hooks import checkpoints, checksums, report_dropped_updates
from cyclegan.config import ModelSpec, TrainConfig
from cyclegan.training.state import make_state
from tests.cluster.monitoring.test_step_info import step_info


class Saves(Checkpointer):
    """Records what would be saved instead of writing it."""

    def __init__(self) -> None:
        self.saved: list[tuple[int, float | None]] = []

    def check(self) -> None: ...

    def save(self, state: Any, rows: Any, step: int, position: int, cycle_loss: float | None) -> None:
        self.saved.append((step, cycle_loss))


def test_checkpoints_are_saved_on_request_and_at_the_end_with_the_smoothed_cycle_loss() -> None:
    saves = Saves()
    nothing: Any = None
    hook = checkpoints(saves, nothing, np.arange(1), None)
    for step in range(1, 5):
        losses = {"cycle_A": float(step), "cycle_B": float("nan") if step == 2 else 1.0, "G_AB": 9.0}
        hook(replace(step_info(step, last=step == 4), losses=losses, save=step == 2))
    assert saves.saved == [(2, 2.0), (4, pytest.approx(3.25))], "2, then a third towards 4, then a quarter towards 5; step 2 is not finite"


def test_nothing_is_saved_while_updates_are_dropped() -> None:
    saves = Saves()
    nothing: Any = None
    hook = checkpoints(saves, nothing, np.arange(1), None)
    for step in range(1, 9):
        hook(replace(step_info(step, last=step == 8), save=step in (2, 4), dropped=step in (2, 3, 6, 8)))
    assert [step for step, _ in saves.saved] == [4], "one save for two requests; none after the last step, which had no effect"


def test_workers_whose_weights_differ_are_found() -> None:
    states = [make_state(ModelSpec(filters=4, blocks=1, discriminator_filters=4), TrainConfig(), (24, 24)) for _ in range(3)]
    board = StatusBoard(workers=3)

    def step(number: int) -> None:
        for rank, state in enumerate(states):
            checksums(lambda at, value, rank=rank: board.checksum(rank, at, value), state, 10)(step_info(number))

    for state in states:
        state.assign_initial(0)
    step(10)
    assert (board.read().verified_step, board.read().mismatch) == (10, "")
    weights = states[2].discriminators.weights.numpy()
    weights.view(np.uint8)[-4] ^= 1
    states[2].discriminators.weights.assign(weights)
    step(15)
    assert board.read().mismatch == "", "not due"
    step(20)
    assert board.read().mismatch == "the weights of worker 2 differ from the others' after step 20: faulty memory or processor"
    assert board.read().verified_step == 10


def test_the_first_of_consecutive_dropped_steps_causes_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    hook = report_dropped_updates()
    for step, dropped in enumerate([False, True, True, False, True], start=1):
        hook(replace(step_info(step), dropped=dropped))
    assert caplog.messages == [f"step {step} has no effect: its gradients are not finite" for step in (2, 5)]
