"""The flat vector: round trips, gradients through it, and initial values that depend on seed and name only."""

import numpy as np
import pytest
import tensorflow as tf

from cyclegan.config import ModelSpec
from cyclegan.networks.flat_parameters import FlatParameters
from cyclegan.networks.shapes import discriminator_shapes, generator_shapes

SHAPES = {"a/kernel": (2, 3, 3, 1, 4), "b/kernel": (2, 5), "b/bias": (2, 2)}


def test_sizes_follow_the_shapes_in_order() -> None:
    layout = FlatParameters(SHAPES)
    assert layout.sizes == [72, 10, 4]
    assert layout.size == 86


def test_join_undoes_split() -> None:
    layout = FlatParameters(SHAPES)
    flat = tf.range(86, dtype=tf.float32)
    parts = layout.split(flat)
    assert {name: tuple(part.shape) for name, part in parts.items()} == SHAPES
    np.testing.assert_array_equal(layout.join(parts), flat)
    # The order comes from the layout, not from the mapping.
    np.testing.assert_array_equal(layout.join(dict(reversed(parts.items()))), flat)


def test_views_equal_split_and_write_through() -> None:
    layout = FlatParameters(SHAPES)
    flat = np.arange(86, dtype=np.float32)
    views = layout.views(flat)
    for name, part in layout.split(tf.constant(flat)).items():
        np.testing.assert_array_equal(views[name], part)
    views["b/bias"][:] = -1
    np.testing.assert_array_equal(flat[-4:], -1)


def test_gradient_through_split_equals_the_joined_gradient_of_the_parts() -> None:
    layout = FlatParameters(SHAPES, tf.float64)
    flat = tf.constant(np.random.default_rng(0).normal(size=86))

    def loss(parts: dict[str, tf.Tensor]) -> tf.Tensor:
        return tf.add_n([tf.reduce_sum(part**3) * (i + 1) for i, part in enumerate(parts.values())])

    with tf.GradientTape(persistent=True) as tape:
        tape.watch(flat)
        parts = layout.split(flat)
        value = loss(parts)
    weights = np.repeat([1.0, 2.0, 3.0], layout.sizes)
    expected = 3 * weights * flat.numpy() ** 2
    np.testing.assert_allclose(tape.gradient(value, flat), expected, rtol=1e-14)
    np.testing.assert_allclose(layout.join(tape.gradient(value, parts)), expected, rtol=1e-14)


def test_initial_values_depend_on_seed_and_name_only() -> None:
    values = FlatParameters(SHAPES).views(FlatParameters(SHAPES).initial(5))
    other_order = dict(reversed(SHAPES.items())) | {"new/kernel": (2, 7)}
    others = FlatParameters(other_order).views(FlatParameters(other_order).initial(5))
    for name in SHAPES:
        np.testing.assert_array_equal(values[name], others[name])
    assert not np.array_equal(values["a/kernel"], FlatParameters(SHAPES).views(FlatParameters(SHAPES).initial(6))["a/kernel"])


def test_equal_shapes_with_different_names_start_differently() -> None:
    shapes = {"R32.0/kernel1": (2, 3), "R32.0/kernel2": (2, 3)}
    one, two = FlatParameters(shapes).views(FlatParameters(shapes).initial(0)).values()
    assert not np.any(one == two)


@pytest.mark.parametrize("shapes", [generator_shapes(ModelSpec(filters=16)), discriminator_shapes(ModelSpec(discriminator_filters=16))])
def test_networks_start_as_in_the_paper(shapes: dict[str, tuple[int, ...]]) -> None:
    layout = FlatParameters(shapes)
    flat = layout.initial(0)
    assert flat.dtype == np.float32
    for name, value in layout.views(flat).items():
        if name.endswith("bias"):
            np.testing.assert_array_equal(value, 0)
        else:
            # Five standard errors of the mean and the standard deviation of this many normal values.
            assert abs(value.mean()) < 5 * 0.02 / np.sqrt(value.size)
            assert abs(value.std() - 0.02) < 5 * 0.02 / np.sqrt(2 * value.size)
            assert not np.any(value[0] == value[1]), f"{name}: both directions start alike"


def test_float64_and_float32_start_alike() -> None:
    np.testing.assert_array_equal(FlatParameters(SHAPES, tf.float64).initial(3).astype(np.float32), FlatParameters(SHAPES).initial(3))
