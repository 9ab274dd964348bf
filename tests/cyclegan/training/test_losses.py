"""Losses of the twin against NumPy."""

import numpy as np

from cyclegan.training.losses import absolute, least_squares

# Sums of about a hundred float64: rounding only.
CLOSE = {"rtol": 1e-14}


def test_least_squares_is_the_mean_square_per_direction() -> None:
    logits = np.random.default_rng(0).normal(size=(2, 3, 4, 5, 1))
    for target in (0.0, 1.0):
        np.testing.assert_allclose(least_squares(logits, target), [np.mean((logits[i] - target) ** 2) for i in range(2)], **CLOSE)
    np.testing.assert_array_equal(least_squares(np.ones((2, 1, 2, 2, 1)), 1.0), [0, 0])


def test_absolute_is_the_mean_difference_per_direction() -> None:
    one, other = np.random.default_rng(1).normal(size=(2, 2, 3, 4, 5, 3))
    np.testing.assert_allclose(absolute(one, other), [np.mean(np.abs(one[i] - other[i])) for i in range(2)], **CLOSE)
    np.testing.assert_array_equal(absolute(one, one), [0, 0])


def test_directions_do_not_mix() -> None:
    logits = np.stack([np.zeros((1, 2, 2, 1)), np.full((1, 2, 2, 1), 3.0)])
    np.testing.assert_array_equal(least_squares(logits, 1.0), [1, 4])
    np.testing.assert_array_equal(absolute(logits, np.zeros_like(logits)), [0, 3])


def test_surplus_channels_count_nowhere() -> None:
    one, other = np.random.default_rng(2).normal(size=(2, 2, 3, 4, 5, 3))
    real = np.array([[1, 1, 1], [1, 0, 0]], float)[:, None, None, None, :]
    got = absolute(one * real, other * real, real)
    np.testing.assert_allclose(got, [np.mean(abs(one[0] - other[0])), np.mean(abs(one[1, ..., 0] - other[1, ..., 0]))], **CLOSE)
