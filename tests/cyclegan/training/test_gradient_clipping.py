"""Clipping by norm against PyTorch's clip_grad_norm_."""

import json

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from cyclegan.networks.flat_parameters import FlatParameters
from cyclegan.training.adam import adam_update, make_adam_state
from cyclegan.training.gradient_clipping import clip_norms
from tests.cyclegan.training.torch_values import LIMITS, SHAPES, VALUES, gradients

LAYOUT = FlatParameters({f"p{i}": (2, *shape) for i, shape in enumerate(SHAPES)}, tf.float64)


def joined(networks: list[list[npt.NDArray[np.float64]]]) -> npt.NDArray[np.float64]:
    return np.concatenate([np.stack(both).ravel() for both in zip(*networks, strict=True)])


@pytest.mark.parametrize("limit", LIMITS)
def test_each_network_is_clipped_as_by_pytorch(limit: float) -> None:
    expected = json.loads(VALUES.read_text())["clipped"][str(limit)]
    theirs = joined([[np.reshape(part, shape) for part, shape in zip(network, SHAPES, strict=True)] for network in expected])
    vector = np.append(joined(gradients()), [7.0, 8.0])  # losses follow
    ours = clip_norms(tf.constant(vector), LAYOUT, limit).numpy()
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    for direction in range(2):
        parts = [part[direction].ravel() for part in LAYOUT.views(ours).values()]
        assert np.linalg.norm(np.concatenate(parts)) < limit


def test_small_gradients_stay_as_they_are() -> None:
    vector = joined(gradients())
    np.testing.assert_array_equal(clip_norms(tf.constant(vector), LAYOUT, 1e4), vector)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e200])
def test_a_norm_that_is_not_finite_still_drops_the_update(bad: float) -> None:
    state = make_adam_state(LAYOUT.size, tf.float64)
    vector = joined(gradients())
    vector[3] = bad
    finite = adam_update(state, clip_norms(tf.constant(vector), LAYOUT, 1.0), tf.constant(1e-3), 0.5, 0.999)
    assert not finite
    assert state.updates.numpy() == 0
