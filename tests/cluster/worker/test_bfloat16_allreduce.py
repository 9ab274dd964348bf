from functools import reduce

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from cluster.worker.bfloat16_allreduce import mean_of_packed, pack

EXACT = 4


def mean(vectors: list[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """The result of a ring for the workers' vectors."""
    workers = len(vectors)
    packed = [pack(tf.constant(v), EXACT, rank, workers) for rank, v in enumerate(vectors)]
    assert {p.dtype for p in packed} == {tf.bfloat16}
    result: npt.NDArray[np.float32] = mean_of_packed(reduce(tf.add, packed), EXACT, workers, tf.float32).numpy()
    return result


@pytest.mark.parametrize("workers", [1, 2, 5, 64])
def test_gradients_stay_within_the_stated_bound_and_the_end_is_exact(workers: int) -> None:
    random = np.random.default_rng(workers)
    vectors = (random.normal(size=(workers, 500)) * 10.0 ** random.integers(-12, 12, 500)).astype(np.float32)
    result = mean(list(vectors))
    error = np.abs(result - vectors.astype(np.float64).mean(0))
    magnitude = np.abs(vectors.astype(np.float64)).mean(0)
    assert (error[:-EXACT] <= ((1 + 2**-8) ** workers - 1 + 2**-24) * magnitude[:-EXACT]).all()
    assert (error[-EXACT:] <= workers * 2**-24 * magnitude[-EXACT:]).all()  # of float32 sums


def test_exact_values_are_preserved_bit_for_bit() -> None:
    end = np.array([1 / 3, -1e-20, 3e38, 1 + 2**-23], np.float32)
    np.testing.assert_array_equal(mean([np.concatenate([[np.float32(1)], end])])[-EXACT:], end)


def test_a_non_finite_loss_leaves_the_others_alone() -> None:
    result = mean([np.array([1, np.inf, 1, np.nan, 0], np.float32), np.array([3, 1, 1, 1, 1], np.float32)])
    assert result[0] == 2
    assert np.isfinite(result[1:]).tolist() == [False, True, False, True]
    assert result[[2, 4]].tolist() == [1, 0.5]


def test_a_non_finite_gradient_stays_non_finite() -> None:
    result = mean([np.array([np.nan, np.inf, 1, 0, 0, 0, 0], np.float32), np.ones(7, np.float32)])
    assert np.isfinite(result[:3]).tolist() == [False, False, True]
