from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cluster.checkpointing.checkpointer import Checkpointer
from cluster.driver.console import duration, progress_text
from cluster.monitoring.status import Progress, StatusBoard
from cluster.worker.hooks import StepInfo, checkpoints, checksums, every, say_dropped, tolerant
from cyclegan.config import ModelConfig, TrainConfig
from cyclegan.training.state import make_state


def moment(step: int, last: bool = False) -> StepInfo:
    nothing: Any = None
    return StepInfo(step, step, {}, 0.0, 1.0, 0.0, np.zeros(0, np.uint8), nothing, nothing, False, last)


@pytest.mark.parametrize(("steps", "end", "due"), [(1, 3, [1, 2, 3]), (2, 5, [2, 4, 5]), (10, 4, [4])])
def test_every(steps: int, end: int, due: list[int]) -> None:
    seen: list[int] = []
    hook = every(steps, lambda m: seen.append(m.step))
    for step in range(1, end + 1):
        hook(moment(step, last=step == end))
    assert seen == due


def test_progress_line() -> None:
    losses = {"G_AB": 0.2, "G_BA": 0.4, "cycle_A": 1.0, "cycle_B": 3.0, "identity_A": 0.5, "identity_B": 0.5, "D_A": 0.1, "D_B": 0.3}
    text = progress_text(Progress(step=1200, steps=100_000, losses=losses, images_per_second=12.34, wait=0.004, seconds_left=3723))
    assert text == "step 1,200/100,000  G 0.300  cycle 2.000  identity 0.500  D 0.200  12.3 images/s  wait 0.4%  1:02:03 left"


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (3599, "59:59"), (36000, "10:00:00")])
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_failing_storage_costs_entries_not_the_training() -> None:
    said: list[str] = []
    broken = {3, 4, 6}

    def hook(moment: StepInfo) -> None:
        if moment.step in broken:
            raise OSError(28, "No space left on device", "metrics.jsonl")

    careful = tolerant(hook, "metrics", said.append)
    for step in range(1, 8):
        careful(moment(step))
    lost = "are lost (No space left on device: metrics.jsonl); training goes on"
    assert said == [f"metrics of step 3 {lost}", f"metrics of step 6 {lost}"]
    with pytest.raises(ValueError):
        tolerant(lambda _: hook(moment(int("x"))), "metrics", said.append)(moment(1))


class Saves(Checkpointer):
    """Notes what is to be saved instead of writing it."""

    def __init__(self) -> None:
        self.saved: list[tuple[int, float | None]] = []

    def check(self) -> None: ...

    def save(self, state: Any, rows: Any, step: int, position: int, cycle_loss: float | None) -> None:
        self.saved.append((step, cycle_loss))


def test_checkpoints_are_saved_when_asked_and_at_the_end_with_the_smoothed_cycle_loss() -> None:
    saves = Saves()
    nothing: Any = None
    hook = checkpoints(saves, nothing, np.arange(1), None)
    for step in range(1, 5):
        losses = {"cycle_A": float(step), "cycle_B": float("nan") if step == 2 else 1.0, "G_AB": 9.0}
        hook(replace(moment(step, last=step == 4), losses=losses, save=step == 2))
    assert saves.saved == [(2, 2.0), (4, pytest.approx(3.25))], "2, then a third towards 4, then a quarter towards 5; step 2 is not finite"


def test_workers_whose_weights_differ_are_found_on_the_board() -> None:
    states = [make_state(ModelConfig(filters=4, blocks=1, discriminator_filters=4), TrainConfig(), (24, 24)) for _ in range(3)]
    board = StatusBoard(workers=3)

    def step(number: int) -> None:
        for rank, state in enumerate(states):
            checksums(lambda at, value, rank=rank: board.checksum(rank, at, value), state, 10)(moment(number))

    for state in states:
        state.assign_initial(0)
    step(10)
    assert (board.read().agreed, board.read().differ) == (10, "")
    weights = states[2].discriminators.weights.numpy()
    weights.view(np.uint8)[-4] ^= 1
    states[2].discriminators.weights.assign(weights)
    step(15)
    assert board.read().differ == "", "not due"
    step(20)
    assert board.read().differ == "the weights of worker 2 differ from the others' after step 20: memory or processor at fault"
    assert board.read().agreed == 10


def test_the_first_of_dropped_steps_is_said() -> None:
    said: list[str] = []
    hook = say_dropped(said.append)
    for step, dropped in enumerate([False, True, True, False, True], start=1):
        hook(replace(moment(step), dropped=dropped))
    assert said == [f"step {step} has no effect: its gradients are not finite" for step in (2, 5)]
