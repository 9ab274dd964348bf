"""Random numbers of a step."""

import numpy as np
import tensorflow as tf

from cyclegan.config import TrainConfig
from cyclegan.training.draws import BITS, POOL, in_generator_pass, pair_mask, purposes, step_draws, uniform, width
from cyclegan.training.gradient_penalty import MIX
from cyclegan.training.image_pool import pool_draws

PENALTY = TrainConfig(loss="wgangp", seed=3)
ROWS = np.arange(8)


def test_without_other_purposes_they_are_those_of_the_pools() -> None:
    train = TrainConfig(seed=3)
    assert purposes(train) == ()
    assert width(train) == POOL
    np.testing.assert_array_equal(step_draws(train, 8 * 60, ROWS, 8), pool_draws(3, 8 * 60, ROWS, 8, 50))


def test_each_purpose_adds_a_column() -> None:
    draws = step_draws(PENALTY, 8 * 60, ROWS, 8)
    assert draws.dtype == np.int32
    assert draws.shape == (2, 8, width(PENALTY)) == (2, 8, POOL + 1)
    np.testing.assert_array_equal(draws[..., :POOL], pool_draws(3, 8 * 60, ROWS, 8, 50))
    np.testing.assert_array_equal(uniform(tf.constant(draws), PENALTY, MIX, tf.float64), draws[..., POOL] / 2**BITS)


def test_known_pairs_are_the_last_column() -> None:
    train, paired = PENALTY.model_copy(update={"lambda_pairs": 10.0}), np.stack([ROWS % 3 == 0] * 2)
    draws = step_draws(train, 8 * 60, ROWS, 8, paired)
    assert draws.shape == (2, 8, width(train)) == (2, 8, POOL + 2)
    np.testing.assert_array_equal(draws[..., :-1], step_draws(PENALTY, 8 * 60, ROWS, 8))
    np.testing.assert_array_equal(pair_mask(tf.constant(draws), tf.float64), paired)
    assert not step_draws(train, 8 * 60, ROWS, 8)[..., -1].any()
    assert in_generator_pass(train) and not in_generator_pass(PENALTY)


def test_another_number_of_workers_draws_the_same() -> None:
    together = step_draws(PENALTY, 800, ROWS, 8)
    for workers in (2, 4):
        for rank in range(workers):
            np.testing.assert_array_equal(step_draws(PENALTY, 800, ROWS[rank::workers], 8), together[:, rank::workers])


def test_they_are_uniform_and_differ_in_everything() -> None:
    rows = np.arange(4096)
    numbers = uniform(tf.constant(step_draws(PENALTY, 4096 * 9, rows, 4096)), PENALTY, MIX, tf.float32).numpy()
    assert numbers.min() >= 0
    assert numbers.max() < 1
    # Three standard errors of 4096 numbers.
    np.testing.assert_allclose(numbers.mean(1), 0.5, atol=3 * 12**-0.5 / 64)
    np.testing.assert_allclose((numbers**2).mean(1), 1 / 3, atol=3 * (4 / 45) ** 0.5 / 64)
    assert abs(np.corrcoef(numbers)[0, 1]) < 3 / 64
    for other in (step_draws(PENALTY, 4096 * 10, rows, 4096), step_draws(TrainConfig(loss="wgangp", seed=4), 4096 * 9, rows, 4096)):
        assert abs(np.corrcoef(numbers[0], other[0, :, POOL])[0, 1]) < 3 / 64
