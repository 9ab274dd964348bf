"""Assigning to and copying from a state: snapshots never change, and initial values leave nothing behind."""

import numpy as np
import pytest
import tensorflow as tf

from cyclegan.config import ModelSpec, TrainConfig
from cyclegan.networks.spectral_norm import iterated
from cyclegan.training.adam import adam_update
from cyclegan.training.compiled_function import CompiledFunction
from cyclegan.training.passes import make_passes
from cyclegan.training.state import Arrays, TrainingState, make_state
from tests.cyclegan.snapshot import snapshot
from tests.cyclegan.uncompiled import uncompiled


def make() -> TrainingState:
    model = ModelSpec(filters=4, blocks=1, discriminator_filters=4)
    return make_state(model, TrainConfig(batch=2, pool_size=3), (24, 28))


def random_arrays(state: TrainingState, seed: int) -> Arrays:
    random = np.random.default_rng(seed)
    return {name: np.array(100 * random.random(value.shape), value.dtype) for name, value in snapshot(state).items()}


def test_names_and_shapes() -> None:
    state = make()
    g, d = state.generator_layout.size, state.discriminator_layout.size
    assert {name: value.shape for name, value in snapshot(state).items()} == {
        "generators.weights": (g,),
        "generators.first": (g,),
        "generators.second": (g,),
        "generators.updates": (),
        "generators.average": (g,),
        "discriminators.weights": (d,),
        "discriminators.first": (d,),
        "discriminators.second": (d,),
        "discriminators.updates": (),
        "pool.images": (2, 2, 3, 24, 28, 3),
        "pool.filled": (2, 2, 3),
    }


def test_assigned_arrays_come_back() -> None:
    state = make()
    given = random_arrays(state, 0)
    state.assign(given)
    for name, value in snapshot(state).items():
        np.testing.assert_array_equal(value, given[name], err_msg=name)


def test_counts_are_int32_in_checkpoints_and_never_in_variables() -> None:
    """TensorFlow keeps int32 variables in the host's memory, out of reach of a GPU's programs; checkpoints of all versions have int32."""
    state, restored = make(), make()
    state.assign({**random_arrays(state, 0), "generators.updates": np.array(2**31 - 1, np.int32)})
    views = state.views(shared=True)
    restored.assign(views)
    assert {name for name, array in views.items() if array.dtype == np.int32} == {"generators.updates", "discriminators.updates"}
    assert views["generators.updates"] == 2**31 - 1
    for name, variable in restored.variables().items():
        assert variable.dtype != tf.int32, name
        np.testing.assert_array_equal(variable, state.variables()[name], err_msg=name)


def test_initial_values_replace_everything() -> None:
    state, fresh = make(), make()
    state.assign(random_arrays(state, 0))
    for each in (state, fresh):
        each.assign_initial(7)
    for name, value in snapshot(state).items():
        np.testing.assert_array_equal(value, snapshot(fresh)[name], err_msg=name)
        assert value.any() == name.endswith(("weights", "average")), name
    np.testing.assert_array_equal(state.average, state.generators.weights)


def test_without_a_stored_average_it_begins_at_the_weights() -> None:
    state = make()
    given = random_arrays(state, 0)
    state.assign({name: value for name, value in given.items() if name != "generators.average"})
    np.testing.assert_array_equal(state.average, given["generators.weights"])


def test_snapshots_and_assigned_arrays_share_no_memory_with_the_variables() -> None:
    """XLA updates variables in place while a checkpoint is still being written from a snapshot."""
    state = make()
    given = random_arrays(state, 1)
    kept = {name: value.copy() for name, value in given.items()}
    state.assign(given)
    saved = snapshot(state)

    def update(gradient: tf.Tensor, rate: tf.Tensor) -> None:
        adam_update(state.generators, gradient, rate, 0.5, 0.999)

    program = CompiledFunction(update, [tf.TensorSpec([state.generator_layout.size]), tf.TensorSpec([])])
    for _ in range(3):
        program(tf.ones([state.generator_layout.size]), tf.constant(0.1))
    assert not np.array_equal(state.generators.weights, kept["generators.weights"])
    for name, value in kept.items():
        np.testing.assert_array_equal(saved[name], value, err_msg=name)
        np.testing.assert_array_equal(given[name], value, err_msg=name)
    after = snapshot(state)
    for value in given.values():
        value[...] = 0
    for name, value in snapshot(state).items():
        np.testing.assert_array_equal(value, after[name], err_msg=name)


@pytest.mark.parametrize("name", ["generators.weights", "discriminators.second", "pool.images"])
def test_a_different_shape_is_refused(name: str) -> None:
    state = make()
    given = random_arrays(state, 0)
    given[name] = given[name][..., :-1]
    with pytest.raises(ValueError, match="shape"):
        state.assign(given)


def test_spectral_vectors_follow_the_weights() -> None:
    """An update brings them nearer to the singular vectors of the new kernels; set weights bring new vectors."""
    model, train = ModelSpec(filters=4, blocks=1, discriminator_filters=4, spectral_norm=True), TrainConfig(pool_size=0)
    state = make_state(model, train, (24, 24))
    state.assign_initial(0)
    before = snapshot(state)["discriminators.spectral"]
    assert np.isfinite(before).all() and before.any()
    with uncompiled():
        passes = make_passes(state, model, train)
        vector = tf.random.stateless_normal([state.discriminator_layout.size + 2], [0, 0])
        passes.update_discriminators(vector, tf.constant(0.1))
    after = snapshot(state)
    parameters = state.discriminator_layout.split(tf.constant(after["discriminators.weights"]))
    layout = state.spectral.layout
    expected = layout.join(iterated(parameters, layout.split(tf.constant(before))))
    np.testing.assert_array_equal(after["discriminators.spectral"], expected)
    state.assign_weights(after)
    again = snapshot(state)["discriminators.spectral"]
    state.assign_initial(0)
    assert not np.array_equal(again, snapshot(state)["discriminators.spectral"])
    for name, u in layout.views(again).items():
        kernel = state.discriminator_layout.views(after["discriminators.weights"])[name]
        for direction in range(2):
            matrix = kernel[direction].reshape(-1, kernel.shape[-1])
            assert np.linalg.norm(matrix @ u[direction]) > 0.9 * np.linalg.norm(matrix, 2), name
