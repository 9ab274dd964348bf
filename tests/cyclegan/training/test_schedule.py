"""Lengths and learning rates: the paper's numbers, larger global batches, epochs and steps."""

from itertools import pairwise

import pytest

from cyclegan.config import TrainConfig
from cyclegan.training.schedule import make_schedule
from ringcycle.errors import UserError

HORSES = 1334  # max(|A|, |B|) of horse2zebra


def test_the_papers_two_hundred_epochs() -> None:
    schedule = make_schedule(TrainConfig(), 1, HORSES)
    assert schedule.steps == 200 * HORSES
    for epoch, rate in [(0, 2e-4), (50, 2e-4), (100, 2e-4), (125, 1.5e-4), (150, 1e-4), (175, 0.5e-4), (200, 0.0)]:
        assert schedule.rate(epoch * HORSES) == pytest.approx(rate, rel=1e-12, abs=1e-18)
    # The last update still has a rate: that of one step before the end.
    assert schedule.rate(200 * HORSES - 1) == pytest.approx(2e-4 / (100 * HORSES), rel=1e-9)


def test_rates_never_rise() -> None:
    schedule = make_schedule(TrainConfig(steps=40, batch=2), 2, 7)
    rates = [schedule.rate(2 * step) for step in range(40)]
    assert all(a >= b > 0 for a, b in pairwise(rates))


@pytest.mark.parametrize(("global_batch", "factor"), [(1, 1), (4, 2), (16, 4), (2, 2**0.5)])
def test_rate_grows_with_the_root_of_the_global_batch(global_batch: int, factor: float) -> None:
    schedule = make_schedule(TrainConfig(), global_batch, HORSES)
    assert schedule.rate(0) == pytest.approx(2e-4 * factor)
    # The length in images is the same, so the rate halves at the same image (within one step, as the last step is rounded up).
    assert schedule.steps * global_batch == pytest.approx(200 * HORSES, abs=global_batch)
    assert schedule.rate(150 * HORSES) == pytest.approx(1e-4 * factor, rel=1e-3)


def test_a_partial_last_step_counts_as_one() -> None:
    assert make_schedule(TrainConfig(epochs=1), 4, 10).steps == 3
    assert make_schedule(TrainConfig(epochs=0.5), 1, 10).steps == 5


def test_rounding_errors_add_no_step() -> None:
    assert make_schedule(TrainConfig(epochs=1.1), 1, 100).steps == 110


def test_epochs_that_give_no_step_are_refused() -> None:
    with pytest.raises(UserError) as caught:
        make_schedule(TrainConfig(epochs=1e-10), 2, 1000)
    assert str(caught.value) == (
        "train.epochs = 1e-10 gives 0 steps of 2 images in epochs of 1,000: a step is 0.002 epochs; give more, or set train.steps"
    )
    assert make_schedule(TrainConfig(epochs=1e-4), 2, 1000).steps == 1
    assert make_schedule(TrainConfig(epochs=1e-9, steps=1), 2, 1000).steps == 1


def test_steps_take_precedence_over_epochs() -> None:
    schedule = make_schedule(TrainConfig(steps=30, epochs=200), 2, 10)
    assert schedule.steps == 30
    assert schedule.rate(2 * 15) == pytest.approx(2e-4 * 2**0.5)
    assert schedule.rate(2 * 30) == 0


@pytest.mark.parametrize(("constant", "middle"), [(1.0, 2e-4), (0.0, 1e-4), (0.75, 2e-4)])
def test_constant_fraction(constant: float, middle: float) -> None:
    schedule = make_schedule(TrainConfig(steps=100, constant_fraction=constant), 1, 10)
    assert schedule.rate(0) == 2e-4
    assert schedule.rate(50) == pytest.approx(middle)
    assert schedule.rate(100) == (2e-4 if constant == 1 else 0)


def test_description_gives_length_and_rate() -> None:
    assert make_schedule(TrainConfig(), 4, HORSES).describe() == (
        "66,700 steps of 4 images per domain (200.0 epochs of 1,334); "
        "rate = learning_rate × √(global batch) = 0.0004, constant for 50% of the steps, then falling linearly to 0"
    )
