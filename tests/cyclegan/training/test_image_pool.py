"""The image pool against Python lists, non-finite images, and the draws."""

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from cyclegan.training.compiled_function import CompiledFunction
from cyclegan.training.image_pool import NO_SLOT, ImagePool, make_image_pool, pool_draws, query
from tests.cyclegan.reference import ListPool

IMAGE = (2, 3, 1)


def fakes(step: int, batch: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(step).uniform(-1, 1, (2, batch, *IMAGE)).astype(np.float32)


def compiled_query(pool: ImagePool, batch: int) -> CompiledFunction:
    def run(fakes: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        return query(pool, fakes, draws)

    return CompiledFunction(run, [tf.TensorSpec([2, batch, *IMAGE]), tf.TensorSpec([2, batch, 2], tf.int32)])


def test_pool_equals_lists_while_it_fills_swaps_and_passes() -> None:
    batch, size, steps = 3, 4, 30
    pool = make_image_pool(batch, size, IMAGE, tf.float32)
    run = compiled_query(pool, batch)
    lists = [[ListPool(size) for _ in range(batch)] for _ in range(2)]
    taken = 0
    for step in range(steps):
        new = fakes(step, batch)
        draws = pool_draws(7, step * batch, np.arange(batch), batch, size)
        shown = run(tf.constant(new), tf.constant(draws)).numpy()
        for direction, row in np.ndindex(2, batch):
            slot, take = draws[direction, row]
            np.testing.assert_array_equal(shown[direction, row], lists[direction][row].query(new[direction, row], slot, take))
            taken += take
    assert 0 < taken < 2 * batch * (steps - size), "images must have been both swapped and passed"
    np.testing.assert_array_equal(pool.images, [[p.images for p in rows] for rows in lists])
    assert pool.filled.numpy().all()


def test_non_finite_images_are_returned_but_never_stored() -> None:
    pool = make_image_pool(1, 2, IMAGE, tf.float32)
    good, bad = fakes(0, 1), fakes(1, 1)
    bad[1, 0, 0, 0, 0] = np.nan

    fill_first, fill_second = (tf.constant([[[slot, 0]], [[slot, 0]]]) for slot in (0, 1))
    query(pool, tf.constant(bad), fill_first)
    np.testing.assert_array_equal(pool.filled, [[[True, False]], [[False, False]]])
    np.testing.assert_array_equal(pool.images[1], 0)
    # An empty slot has nothing to return: the new image is returned, and stored there.
    take_first = tf.constant([[[0, 1]], [[0, 1]]])
    shown = query(pool, tf.constant(good), take_first)
    np.testing.assert_array_equal(shown, np.stack([bad[0], good[1]]))
    np.testing.assert_array_equal(pool.images[:, :, 0], good)
    # A filled slot returns its image and does not change.
    bad[:] = np.inf
    np.testing.assert_array_equal(query(pool, tf.constant(bad), take_first), good)
    np.testing.assert_array_equal(pool.images[:, :, 0], good)
    query(pool, tf.constant(bad), fill_second)
    np.testing.assert_array_equal(pool.filled, [[[True, False]], [[True, False]]])


def test_passing_does_not_change_the_pool() -> None:
    pool = make_image_pool(1, 2, IMAGE, tf.float32)
    query(pool, tf.constant(fakes(0, 1)), tf.constant([[[0, 0]], [[0, 0]]]))
    before = pool.images.numpy()
    new = fakes(1, 1)
    np.testing.assert_array_equal(query(pool, tf.constant(new), tf.constant([[[NO_SLOT, 0]], [[NO_SLOT, 0]]])), new)
    np.testing.assert_array_equal(pool.images, before)
    np.testing.assert_array_equal(pool.filled, [[[True, False]], [[True, False]]])


def test_draws_fill_the_slots_in_order() -> None:
    for step in range(5):
        draws = pool_draws(0, step * 4, np.arange(4), 4, 5)
        assert draws.dtype == np.int32
        np.testing.assert_array_equal(draws, np.broadcast_to([step, 0], (2, 4, 2)))


@pytest.mark.parametrize("position", [0, 8 * 49, 8 * 50, 8 * 1234])
@pytest.mark.parametrize("workers", [1, 2, 4, 8])
def test_draws_of_a_row_do_not_depend_on_the_number_of_workers(position: int, workers: int) -> None:
    rows = np.arange(8)
    everyone = pool_draws(3, position, rows, 8, 50)
    for rank in range(workers):
        np.testing.assert_array_equal(pool_draws(3, position, rows[rank::workers], 8, 50), everyone[:, rank::workers])


def test_half_of_the_draws_swap_and_slots_are_uniform() -> None:
    size, rows = 50, np.arange(1000)
    draws = np.concatenate([pool_draws(1, step * len(rows), rows, len(rows), size) for step in range(size, size + 20)], axis=1)
    slot, take = draws[..., 0], draws[..., 1]
    np.testing.assert_array_equal(take == 0, slot == NO_SLOT)
    for direction in range(2):
        # Five standard deviations of a fair coin, and of chi-squared with 49 degrees of freedom.
        assert abs(take[direction].mean() - 0.5) < 5 * 0.5 / np.sqrt(take.shape[1])
        slots = slot[direction][take[direction] == 1]
        counts = np.bincount(slots, minlength=size)
        assert len(counts) == size
        expected = len(slots) / size
        assert abs(((counts - expected) ** 2 / expected).sum() - 49) < 5 * np.sqrt(2 * 49)


def test_draws_stay_the_same_between_versions() -> None:
    draws = pool_draws(7, 4 * 60, np.arange(4), 4, 50)
    assert draws.tolist() == [[[-1, 0], [-1, 0], [1, 1], [-1, 0]], [[-1, 0], [13, 1], [-1, 0], [6, 1]]]


def test_draws_differ_between_seeds_steps_rows_and_directions() -> None:
    rows = np.arange(64)
    first = pool_draws(0, 64 * 60, rows, 64, 50)
    assert not np.array_equal(first[0], first[1])
    assert len(np.unique(first[0], axis=0)) > 1
    for other in (pool_draws(1, 64 * 60, rows, 64, 50), pool_draws(0, 64 * 61, rows, 64, 50)):
        assert not np.array_equal(first, other)
    np.testing.assert_array_equal(first, pool_draws(0, 64 * 60, rows, 64, 50))


def test_a_pool_of_size_0_draws_nothing() -> None:
    np.testing.assert_array_equal(pool_draws(0, 123, np.arange(3), 3, 0), np.zeros((2, 3, 2)))
    assert make_image_pool(3, 0, IMAGE, tf.float32).images.shape == [2, 3, 0, *IMAGE]
