"""Complete updates of all four networks: against a plain reference, between batches and workers, and from run to run.

Only one set of units is compiled, as compiling costs more than all checks on it (20 s of one core for these tiny networks);
other shapes, options and precisions run the same functions uncompiled.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from cyclegan.config import ModelSpec, TrainConfig
from cyclegan.networks.flat_parameters import FlatParameters
from cyclegan.training.compiled_function import CompiledFunction
from cyclegan.training.image_pool import NO_SLOT, pool_draws
from cyclegan.training.passes import DISCRIMINATOR_TAIL, FLAGS, GENERATOR_LOSSES, PAIR_LOSSES, Passes, make_passes
from cyclegan.training.state import Arrays, TrainingState, make_state
from cyclegan.training.step import make_step
from tests.cyclegan.reference import CycleGAN, ListPool, Network
from tests.cyclegan.snapshot import snapshot
from tests.cyclegan.uncompiled import uncompiled

SEED, RATE, SIDE = 3, 2e-4, 32
TAIL = (*GENERATOR_LOSSES, *FLAGS)
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Training:
    """A state with its units and step."""

    train: TrainConfig
    state: TrainingState
    passes: Passes
    step: CompiledFunction

    def run(self, images: Array, draws: Array, flags: tuple[float, float] = (0, 0)) -> list[Array]:
        """One step on `images`, a pair of [B, H, W, C]: means, fake and cycled."""
        dtype = self.state.generator_layout.dtype
        return [t.numpy() for t in self.step(tf.constant(images), tf.constant(draws), tf.constant(flags, dtype), tf.constant(RATE))]

    def draws(self, step: int) -> Array:
        batch = self.train.batch
        draws = pool_draws(SEED, step * batch, np.arange(batch), batch, self.train.pool_size)
        if not self.train.lambda_pairs:
            return draws
        paired = np.arange(batch) % 4 == step % 4  # one row in four, another one in each step
        return np.concatenate([draws, np.broadcast_to(paired[:, None], (2, batch, 1)).astype(np.int32)], axis=-1)

    def arrays(self) -> Arrays:
        return snapshot(self.state)


def make(dtype: tf.DType, convolution: str = "auto", size: tuple[int, int] = (SIDE, SIDE), **train: float) -> Training:
    model = ModelSpec(filters=8, blocks=2, discriminator_filters=8, convolution=convolution)
    config = TrainConfig(**({"pool_size": 2} | train))
    state = make_state(model, config, size, dtype)
    state.assign_initial(SEED)
    passes = make_passes(state, model, config)
    return Training(config, state, passes, make_step(passes))


@pytest.fixture(scope="module")
def double() -> Training:
    """Compiled units with the fast algorithms, float64, batch 1."""
    training = make(tf.float64)
    for unit in (*training.passes.all(), training.step):
        unit.compile(None)
    return training


def images(step: int, batch: int, size: tuple[int, int] = (SIDE, SIDE)) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(step).integers(0, 256, (2, batch, *size, 3), np.uint8)


def network(layout: FlatParameters, flat: Array, direction: int) -> Network:
    return Network([value[direction].astype(np.float64) for value in layout.views(flat).values()])


def reference(training: Training) -> CycleGAN:
    """The plain implementation with the current weights of `training`. D = (D_B, D_A): D[i] classifies the results of G[i]."""
    state, train = training.state, training.train
    G_AB, G_BA = (network(state.generator_layout, state.generators.weights.numpy(), i) for i in range(2))
    D_B, D_A = (network(state.discriminator_layout, state.discriminators.weights.numpy(), i) for i in range(2))
    pool_A, pool_B = ([ListPool(train.pool_size) for _ in range(train.batch)] for _ in range(2))
    return CycleGAN(G_AB, G_BA, D_A, D_B, pool_A, pool_B, train.lambda_cycle, train.lambda_identity, train.lambda_pairs)


def assert_same(ours: Array, theirs: Array, tolerance: float, what: str) -> None:
    """Equal within `tolerance` times the largest element."""
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * np.abs(theirs).max(), err_msg=what)


def check_against_reference(training: Training, steps: int) -> None:
    """Run both and compare losses, weights, moments and pools. Both are float64 with different operations: 1e-6 is far above rounding."""
    training.state.assign_initial(SEED)
    plain, batch, swapped = reference(training), training.train.batch, []
    for step in range(steps):
        size = tuple(training.state.pool.images.shape[3:5])
        real, draws = images(step, batch, size), training.draws(step)
        means, _, _ = training.run(real, draws)
        real_A, real_B = real / 127.5 - 1
        # Direction 0 makes fakes of B, direction 1 of A.
        pairs = np.flatnonzero(draws[0, :, -1]) if training.train.lambda_pairs else ()
        losses = plain.step(real_A, real_B, draws[1, :, :2], draws[0, :, :2], float(np.float32(RATE)), pairs)
        ours = dict(zip(training.passes.means, means, strict=True))
        assert {name: mean for name, mean in ours.items() if name not in FLAGS} == pytest.approx(losses, rel=1e-6)
        swapped += [draws[..., 1].ravel()]
    if training.train.pool_size:
        assert np.concatenate(swapped).any(), "the pools must have swapped images"
        for direction, pools in enumerate((plain.pool_B, plain.pool_A)):
            assert_same(training.state.pool.images[direction].numpy(), np.array([p.images for p in pools]), 1e-6, "pool")
    state = training.state
    for layout, adam, networks in (
        (state.generator_layout, state.generators, (plain.G_AB, plain.G_BA)),
        (state.discriminator_layout, state.discriminators, (plain.D_B, plain.D_A)),
    ):
        assert adam.updates.numpy() == steps
        for kind in ("weights", "m", "v"):
            values = layout.views(getattr(adam, kind).numpy())
            for i, (name, value) in enumerate(values.items()):
                for direction in range(2):
                    assert_same(value[direction], getattr(networks[direction], kind)[i], 1e-6, f"{kind} of {name}, direction {direction}")


def test_compiled_steps_equal_the_plain_reference(double: Training) -> None:
    check_against_reference(double, steps=5)


def test_steps_of_two_images_equal_the_plain_reference() -> None:
    with uncompiled():
        check_against_reference(make(tf.float64, batch=2), steps=3)


def test_steps_with_accumulated_parts_equal_the_plain_reference() -> None:
    with uncompiled():
        check_against_reference(make(tf.float64, batch=4, accumulate=2), steps=3)


def test_steps_with_known_pairs_equal_the_plain_reference() -> None:
    with uncompiled():
        for settings in ({"batch": 1, "pool_size": 0}, {"batch": 4, "accumulate": 2}):
            check_against_reference(make(tf.float64, lambda_pairs=20, **settings), steps=3)


def test_without_known_pairs_the_units_are_those_of_before() -> None:
    without, with_pairs = make(tf.float32).passes, make(tf.float32, lambda_pairs=20).passes
    assert without.means == (*GENERATOR_LOSSES, *FLAGS, *DISCRIMINATOR_TAIL)
    assert len(without.generator_pass.signature) == 2
    assert with_pairs.means == (*GENERATOR_LOSSES, *PAIR_LOSSES, *FLAGS, *DISCRIMINATOR_TAIL)
    assert [passes.discriminator_pass.signature[2].shape[-1] for passes in (without, with_pairs)] == [2, 3]


def test_parts_average_to_the_batch_and_keep_the_flags() -> None:
    at_once, in_parts = make(tf.float64, batch=3), make(tf.float64, batch=3, accumulate=3)
    with uncompiled():
        results = [training.run(images(0, 3), training.draws(0), flags=(1, 0)) for training in (at_once, in_parts)]
    for name, ours, theirs in zip(("means", "fake", "cycled"), *results, strict=True):
        assert_same(theirs, ours, 1e-12, name)
    means = dict(zip(at_once.passes.means, results[1][0], strict=True))
    assert (means["save"], means["stop"]) == (1, 0)
    # Only the order of sums differs; m is half of the gradient.
    for pair in ("generators", "discriminators"):
        ours, theirs = (t.arrays()[f"{pair}.first"] for t in (at_once, in_parts))
        assert_same(theirs, ours, 1e-11, pair)


def test_steps_without_identity_loss_and_pool_equal_the_plain_reference() -> None:
    with uncompiled():
        check_against_reference(make(tf.float64, lambda_identity=0, lambda_cycle=7, pool_size=0), steps=3)


def test_steps_with_plain_convolutions_equal_the_plain_reference() -> None:
    with uncompiled():
        check_against_reference(make(tf.float64, convolution="plain"), steps=5)


def test_steps_on_rectangles_equal_the_plain_reference() -> None:
    with uncompiled():
        check_against_reference(make(tf.float64, size=(36, 28)), steps=5)


def vectors(training: Training) -> CompiledFunction:
    """Both passes without pool: real → the vectors to exchange.

    The outer function is not compiled, as in the step: XLA would compile both passes again.
    """
    passes, dtype = training.passes, training.state.generator_layout.dtype
    draws = tf.constant([NO_SLOT, 0]) * tf.ones([2, training.train.batch, 1], tf.int32)

    def both(real: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        g_vector, fake, _ = passes.generator_pass(real, tf.zeros([len(FLAGS)], dtype))
        return g_vector, passes.discriminator_pass(real, fake, draws)

    return CompiledFunction(both, passes.generator_pass.signature[:1], jit_compile=False)


def means_of_two(one_row: CompiledFunction, real: Array) -> tuple[tf.Tensor, tf.Tensor]:
    """The exchanged vectors of two workers with one row of `real` each: their weights are equal, so one state serves for both."""
    first, second = (one_row(tf.constant(real[:, row : row + 1])) for row in range(2))
    return (first[0] + second[0]) / 2, (first[1] + second[1]) / 2


def test_two_workers_get_the_gradient_of_one_with_both_images() -> None:
    real = images(0, 2)
    with uncompiled():
        separate = [v.numpy() for v in means_of_two(vectors(make(tf.float32)), real)]
        together = [v.numpy() for v in vectors(make(tf.float32, batch=2, pool_size=0))(tf.constant(real))]
    for one, other, tail in zip(separate, together, (TAIL, DISCRIMINATOR_TAIL), strict=True):
        # float32 through some twenty Winograd layers, each with a rounding error of about 3e-6 of its standard deviation.
        gradient, expected = one[: -len(tail)], other[: -len(tail)]
        assert np.linalg.norm(gradient - expected) < 3e-5 * np.linalg.norm(expected)
        np.testing.assert_allclose(one[-len(tail) :], other[-len(tail) :], rtol=1e-5)


def test_two_workers_get_the_weights_of_one_with_both_images(double: Training) -> None:
    double.state.assign_initial(SEED)
    one_row, rate = vectors(double), tf.constant(RATE)
    together = make(tf.float64, batch=2, pool_size=0)
    for step in range(3):
        real = images(step, 2)
        g_mean, d_mean = means_of_two(one_row, real)
        double.passes.update_generators(g_mean, rate)
        double.passes.update_discriminators(d_mean, rate)
        with uncompiled():
            together.run(real, together.draws(step))
    for name, value in together.arrays().items():
        if not name.startswith("pool"):
            np.testing.assert_allclose(double.arrays()[name], value, rtol=0, atol=1e-9, err_msg=name)


def test_steps_repeat_bit_for_bit(double: Training) -> None:
    outcomes = []
    for _ in range(2):
        double.state.assign_initial(SEED)
        results = [double.run(images(step, 1), double.draws(step)) for step in range(3)]
        outcomes.append([*(array for result in results for array in result), *double.arrays().values()])
    for one, other in zip(*outcomes, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_restored_state_continues_bit_for_bit(double: Training) -> None:
    double.state.assign_initial(SEED)
    for step in range(3):
        double.run(images(step, 1), double.draws(step))
    saved = double.arrays()
    double.run(images(3, 1), double.draws(3))
    after = double.arrays()
    double.state.assign_initial(SEED + 1)
    double.state.assign(saved)
    double.run(images(3, 1), double.draws(3))
    for name, value in double.arrays().items():
        np.testing.assert_array_equal(value, after[name], err_msg=name)


def test_fast_convolutions_equal_plain_ones_in_float32() -> None:
    fast, plain = make(tf.float32), make(tf.float32, convolution="plain")
    errors = []
    for seed in (100, 102, 104):
        for training in (fast, plain):
            training.state.assign_initial(seed)
        with uncompiled():
            results = [training.run(images(0, 1), training.draws(0)) for training in (fast, plain)]
        for name, ours, theirs in zip(("means", "fake", "cycled"), *results, strict=True):
            assert_same(ours, theirs, 1e-4, name)
        # After one step, m is half of the gradient. Weights are no measure: Adam moves even those with a tiny gradient by the full rate.
        pairs = [(t.arrays()[f"{pair}.first"] for t in (fast, plain)) for pair in ("generators", "discriminators")]
        errors.append([np.linalg.norm(ours - theirs) / np.linalg.norm(theirs) for ours, theirs in pairs])
    # Of three: where rounding moves an activation across the kink of its ReLU, the gradient is another one.
    assert (np.median(errors, 0) < 1e-4).all()


def test_flags_and_losses_pass_through_the_exchange() -> None:
    with uncompiled():
        training = make(tf.float64, pool_size=0)
        lengths = []

        def halve(vector: tf.Tensor, exact: int) -> tf.Tensor:
            lengths.append((vector.shape[0], exact))
            return vector / 2

        own = training.run(images(0, 1), training.draws(0), flags=(1, 0))[0]
        training.state.assign_initial(SEED)
        step = make_step(training.passes, exchange=halve)
        arguments = (tf.constant(images(0, 1)), tf.constant(training.draws(0)), tf.constant([1, 0], tf.float64), tf.constant(RATE))
        exchanged = step(*arguments)[0].numpy()
    np.testing.assert_array_equal(exchanged, own / 2)
    assert dict(zip(training.passes.means, own, strict=True))["save"] == 1
    assert dict(zip(training.passes.means, own, strict=True))["stop"] == 0
    assert lengths == [
        (training.state.generator_layout.size + len(TAIL), len(TAIL)),
        (training.state.discriminator_layout.size + len(DISCRIMINATOR_TAIL), len(DISCRIMINATOR_TAIL)),
    ]


def test_non_finite_fakes_change_no_weight_and_enter_no_pool(double: Training) -> None:
    double.state.assign_initial(SEED)
    weights = double.state.generators.weights.numpy()
    weights[0] = np.nan
    double.state.generators.weights.assign(weights)
    before = double.arrays()
    double.run(images(0, 1), double.draws(0))
    for name, value in double.arrays().items():
        # Only direction 0 has a NaN weight, but its fakes reach the other direction through the cycle.
        if name.startswith("pool"):
            assert not value[0].any()
        else:
            np.testing.assert_array_equal(value, before[name], err_msg=name)
    assert double.state.pool.filled.numpy().tolist() == [[[False, False]], [[True, False]]]


def test_units_are_traced_only_once(double: Training) -> None:
    for step in range(3):
        double.run(images(step, 1), double.draws(step))
    assert {unit.name: unit.traces() for unit in (*double.passes.all(), double.step)} == {
        "generator_pass": 1,
        "discriminator_pass": 1,
        "update_generators": 1,
        "update_discriminators": 1,
        "step": 1,
    }
