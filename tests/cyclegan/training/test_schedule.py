"""Lengths and learning rates: the paper's numbers, larger global batches, epochs and steps, and policies against PyTorch's."""

import json
from itertools import pairwise

import pytest

from cyclegan.config import TrainConfig
from cyclegan.training.schedule import make_schedule
from ringcycle.errors import UserError
from tests.cyclegan.training.torch_values import DECAY_EPOCHS, EPOCHS, VALUES, WARMUP

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


def torch_rates(policy: str) -> list[float]:
    """The rate in each of EPOCHS epochs, from 1."""
    rates: list[float] = json.loads(VALUES.read_text())["schedules"][policy]
    return rates


@pytest.mark.parametrize(("policy", "global_batch"), [("step", 1), ("step", 4), ("cosine", 1), ("cosine", 4)])
def test_policies_equal_pytorchs_at_the_start_of_each_epoch(policy: str, global_batch: int) -> None:
    config = TrainConfig(schedule=policy, epochs=EPOCHS, decay_epochs=DECAY_EPOCHS, learning_rate=1, rate_rule="none")
    schedule = make_schedule(config, global_batch, 100)
    assert [schedule.rate(100 * epoch) for epoch in range(EPOCHS)] == pytest.approx(torch_rates(policy), rel=1e-9)


def test_the_linear_policy_is_within_an_epoch_of_the_references() -> None:
    schedule = make_schedule(TrainConfig(epochs=EPOCHS, learning_rate=1), 1, 100)
    theirs = torch_rates("linear")
    # Theirs falls in steps, one for each epoch, and one more than there are, so that no epoch has a rate of 0.
    for epoch, now in enumerate(theirs):
        assert schedule.rate(100 * (epoch + 1)) - 1e-9 <= now <= schedule.rate(100 * epoch) + 1 / (EPOCHS // 2)
        if epoch < EPOCHS // 2 - 1:
            assert schedule.rate(100 * epoch) == now == 1


def test_steps_of_the_rate_are_between_epochs() -> None:
    schedule = make_schedule(TrainConfig(schedule="step", epochs=4, decay_epochs=1.1, learning_rate=1), 1, 100)
    assert [schedule.rate(position) for position in (0, 109, 110, 219, 220)] == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_a_cosine_never_rises_again() -> None:
    rates = [make_schedule(TrainConfig(schedule="cosine", steps=50), 2, 7).rate(2 * step) for step in range(60)]
    assert all(before >= after >= 0 for before, after in pairwise(rates))
    assert rates[50:] == [0] * 10


def test_a_warm_up_equals_pytorchs_linear_one() -> None:
    config = TrainConfig(schedule="cosine", steps=EPOCHS, warmup=WARMUP, learning_rate=1, rate_rule="none")
    schedule = make_schedule(config, 3, 100)
    product = [cosine * rise for cosine, rise in zip(torch_rates("cosine"), torch_rates("warmup"), strict=True)]
    assert [schedule.rate(3 * step) for step in range(EPOCHS)] == pytest.approx(product, rel=1e-9)


def test_a_warm_up_is_a_number_of_steps_or_a_fraction() -> None:
    assert make_schedule(TrainConfig(steps=400, warmup=0.05), 2, 10).warmup == 20
    assert make_schedule(TrainConfig(steps=400, warmup=20), 2, 10).warmup == 20
    schedule = make_schedule(TrainConfig(steps=400, warmup=20), 1, 10)
    assert [schedule.rate(step) for step in (0, 9, 19, 20, 199)] == pytest.approx([1e-5, 1e-4, 2e-4, 2e-4, 2e-4])
    with pytest.raises(UserError) as caught:
        make_schedule(TrainConfig(steps=10, warmup=20), 1, 10)
    assert str(caught.value) == (
        "train.warmup = 20 is longer than the run of 10 steps: give fewer steps, or a fraction of the length below 1"
    )


@pytest.mark.parametrize(("rule", "factors"), [("sqrt", (1, 2, 8**0.5)), ("linear", (1, 4, 8)), ("none", (1, 1, 1))])
def test_rules_for_larger_global_batches(rule: str, factors: tuple[float, ...]) -> None:
    for global_batch, factor in zip((1, 4, 8), factors, strict=True):
        assert make_schedule(TrainConfig(rate_rule=rule), global_batch, HORSES).peak == pytest.approx(2e-4 * factor)


def test_the_line_says_what_is_not_the_default() -> None:
    line = make_schedule(TrainConfig(schedule="step", decay_epochs=50, rate_rule="linear", warmup=500), 4, HORSES).describe()
    assert line.endswith(
        "; rate = learning_rate × global batch = 0.0008, times 0.1 every 50 epochs; it rises linearly during the first 500 steps"
    )
    line = make_schedule(TrainConfig(schedule="cosine", rate_rule="none"), 4, HORSES).describe()
    assert line.endswith("; rate = learning_rate = 0.0002, falling to 0 along half a cosine")
