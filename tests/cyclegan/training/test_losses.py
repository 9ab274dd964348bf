"""Losses of both directions against NumPy, and adversarial ones against PyTorch."""

import json
from typing import get_args

import numpy as np
import pytest
import tensorflow as tf

from cyclegan.config import Loss
from cyclegan.training.losses import ADVERSARIAL_LOSSES, l1_loss, lsgan_loss, pair_loss
from tests.cyclegan.training.torch_values import LOSSES, ROLES, VALUES, logits

# Rounding errors in sums of about a hundred float64 numbers.
CLOSE = {"rtol": 1e-14}


def test_lsgan_loss_is_the_mean_square_per_direction() -> None:
    logits = np.random.default_rng(0).normal(size=(2, 3, 4, 5, 1))
    for target in (0.0, 1.0):
        np.testing.assert_allclose(lsgan_loss(logits, target), [np.mean((logits[i] - target) ** 2) for i in range(2)], **CLOSE)
    np.testing.assert_array_equal(lsgan_loss(np.ones((2, 1, 2, 2, 1)), 1.0), [0, 0])


def test_each_loss_is_known() -> None:
    assert get_args(Loss) == tuple(ADVERSARIAL_LOSSES) == LOSSES


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", LOSSES)
def test_values_and_gradients_equal_pytorch(name: str, role: str) -> None:
    expected = json.loads(VALUES.read_text())["losses"][f"{name} {role}"]
    x = tf.constant(logits())
    with tf.GradientTape() as tape:
        tape.watch(x)
        values = getattr(ADVERSARIAL_LOSSES[name], role)(x)
    np.testing.assert_allclose(values, expected["values"], **CLOSE)
    np.testing.assert_allclose(np.reshape(tape.gradient(values, x), (2, -1)), expected["gradients"], rtol=1e-13, atol=1e-18)


@pytest.mark.parametrize("name", LOSSES)
def test_large_logits_stay_finite(name: str) -> None:
    x = tf.constant([[100.0], [-100.0]])[:, :, None, None, None]
    for role in ROLES:
        assert np.isfinite(getattr(ADVERSARIAL_LOSSES[name], role)(x)).all()


def test_l1_loss_is_the_mean_absolute_difference_per_direction() -> None:
    one, other = np.random.default_rng(1).normal(size=(2, 2, 3, 4, 5, 3))
    np.testing.assert_allclose(l1_loss(one, other), [np.mean(np.abs(one[i] - other[i])) for i in range(2)], **CLOSE)
    np.testing.assert_array_equal(l1_loss(one, one), [0, 0])


def test_pair_loss_is_the_mean_over_all_images_of_which_only_pairs_count() -> None:
    fake, real = np.random.default_rng(3).normal(size=(2, 2, 3, 4, 5, 3))
    pairs, channels = np.array([[1.0, 0, 1], [1, 0, 1]]), np.array([[1, 1, 1], [1, 0, 0]], float)[:, None, None, None, :]
    distances = np.abs(fake - real)
    np.testing.assert_allclose(
        pair_loss(fake, real, pairs), (distances[:, 0].mean((1, 2, 3)) + distances[:, 2].mean((1, 2, 3))) / 3, **CLOSE
    )
    got = pair_loss(fake * channels, real * channels, pairs, channels)
    np.testing.assert_allclose(got, [distances[0, [0, 2]].sum() / (3 * 60), distances[1, [0, 2], ..., 0].sum() / (3 * 20)], **CLOSE)

    x = tf.constant(fake)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = pair_loss(x, real, tf.constant(pairs))
    gradient = np.sign(fake - real) / (3 * 60)
    gradient[:, 1] = 0
    np.testing.assert_allclose(tape.gradient(loss, x), gradient, **CLOSE)
    np.testing.assert_array_equal(pair_loss(fake, real, 0 * pairs), [0, 0])


def test_directions_do_not_mix() -> None:
    logits = np.stack([np.zeros((1, 2, 2, 1)), np.full((1, 2, 2, 1), 3.0)])
    np.testing.assert_array_equal(lsgan_loss(logits, 1.0), [1, 4])
    np.testing.assert_array_equal(l1_loss(logits, np.zeros_like(logits)), [0, 3])


def test_surplus_channels_do_not_count() -> None:
    one, other = np.random.default_rng(2).normal(size=(2, 2, 3, 4, 5, 3))
    real = np.array([[1, 1, 1], [1, 0, 0]], float)[:, None, None, None, :]
    got = l1_loss(one * real, other * real, real)
    np.testing.assert_allclose(got, [np.mean(abs(one[0] - other[0])), np.mean(abs(one[1, ..., 0] - other[1, ..., 0]))], **CLOSE)
