"""Complete updates with each loss and option against PyTorch's, in float64, and the units that XLA compiles for them."""

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from cyclegan.config import ModelSpec, TrainConfig
from cyclegan.networks.flat_parameters import FlatParameters
from cyclegan.training.draws import POOL, step_draws, width
from cyclegan.training.passes import FLAGS, Passes, make_passes
from cyclegan.training.state import TrainingState, make_state
from cyclegan.training.step import make_step
from tests.cyclegan.training import torch_updates
from tests.cyclegan.training.torch_updates import BATCH, CASES, FILTERS, MODELS, RATE, SIDE, STEPS, VALUES, images, mix_bits, summary
from tests.cyclegan.uncompiled import uncompiled

MODEL = ModelSpec(filters=FILTERS, blocks=1, discriminator_filters=FILTERS)
PAIRS = {"generators": ("G_AB", "G_BA"), "discriminators": ("D_B", "D_A")}
Array = npt.NDArray[Any]


def make(dtype: tf.DType, settings: dict[str, Any], **model: Any) -> tuple[TrainConfig, TrainingState, Passes]:
    train, spec = TrainConfig(batch=BATCH, pool_size=0, **settings), MODEL.model_copy(update=model)
    state = make_state(spec, train, (SIDE, SIDE), dtype)
    return train, state, make_passes(state, spec, train)


def flat(layout: FlatParameters, pair: str, case: str) -> Array:
    """The weights of PyTorch's two networks as one vector."""
    both = [np.stack(parameters) for parameters in zip(*(torch_updates.weights(network, case) for network in PAIRS[pair]), strict=True)]
    assert [value.shape for value in both] == list(layout.shapes.values())
    return np.concatenate([value.ravel() for value in both])


def begin(state: TrainingState, case: str = "lsgan") -> None:
    state.assign_initial(0)
    state.generators.weights.assign(flat(state.generator_layout, "generators", case))
    state.discriminators.weights.assign(flat(state.discriminator_layout, "discriminators", case))


def draws(train: TrainConfig, step: int) -> Array:
    without_pool = np.zeros((2, BATCH, POOL), np.int32)
    return np.concatenate([without_pool, mix_bits(step)[..., None]], -1)[..., : width(train)]


@pytest.mark.parametrize("case", CASES)
def test_updates_equal_pytorch(case: str) -> None:
    expected = json.loads(VALUES.read_text())["cases"][case]
    with uncompiled():
        train, state, passes = make(tf.float64, CASES[case], **MODELS.get(case, {}))
        begin(state, case)
        step = make_step(passes)
        for number in range(STEPS):
            flags = tf.zeros([2], tf.float64)
            means, _, _ = step(tf.constant(images(number)), tf.constant(draws(train, number)), flags, tf.constant(RATE, tf.float32))
    ours = dict(zip(passes.means, means.numpy(), strict=True))
    assert {name: value for name, value in ours.items() if name not in FLAGS} == pytest.approx(expected["losses"], rel=1e-6)
    for pair, layout in (("generators", state.generator_layout), ("discriminators", state.discriminator_layout)):
        adam = getattr(state, pair)
        for kind in ("weights", "m", "v"):
            for i, (name, value) in enumerate(layout.views(getattr(adam, kind).numpy()).items()):
                for direction, network in enumerate(PAIRS[pair]):
                    theirs = np.array(expected["networks"][network][i][kind])
                    # Norm, sum and elements. The rate is float32.
                    what = f"{case}: {kind} of {name} in {network}"
                    np.testing.assert_allclose(summary(value[direction]), theirs, rtol=0, atol=1e-6 * theirs[0], err_msg=what)


def test_the_compiled_pass_of_wgangp_equals_the_one_that_is_not() -> None:
    train, state, passes = make(tf.float32, {"loss": "wgangp"})
    begin(state)
    fake = tf.constant(np.random.default_rng(1).uniform(-1, 1, (2, BATCH, SIDE, SIDE, 3)), tf.float32)
    arguments = tf.constant(images(0)), fake, tf.constant(draws(train, 0))
    compiled = passes.discriminator_pass(*arguments).numpy()
    with uncompiled():
        plain = passes.discriminator_pass(*arguments).numpy()
    # float32 with the fast convolutions, whose error is about 3e-6 of a layer's deviation.
    assert np.linalg.norm(compiled - plain) < 1e-5 * np.linalg.norm(plain)


def test_options_that_are_off_leave_the_signatures_alone() -> None:
    for settings in ({}, {"loss": "vanilla"}, {"loss": "hinge"}):
        _, _, passes = make(tf.float32, settings)
        assert passes.discriminator_pass.signature[2].shape == (2, BATCH, 2)
    assert make(tf.float32, {"loss": "wgangp"})[2].discriminator_pass.signature[2].shape == (2, BATCH, 3)


@pytest.mark.parametrize("settings", [{"dropout": 0.5}, {"diffaugment": "translation, color"}, {"dropout": 0.2, "norm": "batch"}])
def test_draws_reach_both_passes_row_by_row(settings: dict[str, Any]) -> None:
    """A batch in two parts gives what the whole gives, and other draws something else."""
    model = {"norm": settings["norm"]} if "norm" in settings else {}
    settings = {name: value for name, value in settings.items() if name not in model}
    results = []
    for accumulate, seed in ((1, 0), (2, 0), (1, 1)):
        with uncompiled():
            train, state, passes = make(tf.float64, {**settings, "accumulate": accumulate, "seed": seed}, **model)
            state.assign_initial(0)
            numbers = step_draws(train, 4, np.arange(BATCH), BATCH)
            assert numbers.shape == (2, BATCH, width(train)) and width(train) > POOL
            means, _, _ = make_step(passes)(tf.constant(images(0)), tf.constant(numbers), tf.zeros([2], tf.float64), tf.constant(RATE))
        results.append(means.numpy())
    whole, parts, other = results
    if not model:  # batch norm sees the parts apart
        np.testing.assert_allclose(parts, whole, rtol=1e-9)
    assert np.abs(other - whole).max() > 1e-6
