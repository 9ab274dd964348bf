"""Losses of both directions against NumPy."""

import numpy as np

from cyclegan.training.losses import l1_loss, lsgan_loss

# Rounding errors in sums of about a hundred float64 numbers.
CLOSE = {"rtol": 1e-14}


def test_lsgan_loss_is_the_mean_square_per_direction() -> None:
    logits = np.random.default_rng(0).normal(size=(2, 3, 4, 5, 1))
    for target in (0.0, 1.0):
        np.testing.assert_allclose(lsgan_loss(logits, target), [np.mean((logits[i] - target) ** 2) for i in range(2)], **CLOSE)
    np.testing.assert_array_equal(lsgan_loss(np.ones((2, 1, 2, 2, 1)), 1.0), [0, 0])


def test_l1_loss_is_the_mean_absolute_difference_per_direction() -> None:
    one, other = np.random.default_rng(1).normal(size=(2, 2, 3, 4, 5, 3))
    np.testing.assert_allclose(l1_loss(one, other), [np.mean(np.abs(one[i] - other[i])) for i in range(2)], **CLOSE)
    np.testing.assert_array_equal(l1_loss(one, one), [0, 0])


def test_directions_do_not_mix() -> None:
    logits = np.stack([np.zeros((1, 2, 2, 1)), np.full((1, 2, 2, 1), 3.0)])
    np.testing.assert_array_equal(lsgan_loss(logits, 1.0), [1, 4])
    np.testing.assert_array_equal(l1_loss(logits, np.zeros_like(logits)), [0, 3])


def test_surplus_channels_do_not_count() -> None:
    one, other = np.random.default_rng(2).normal(size=(2, 2, 3, 4, 5, 3))
    real = np.array([[1, 1, 1], [1, 0, 0]], float)[:, None, None, None, :]
    got = l1_loss(one * real, other * real, real)
    np.testing.assert_allclose(got, [np.mean(abs(one[0] - other[0])), np.mean(abs(one[1, ..., 0] - other[1, ..., 0]))], **CLOSE)
