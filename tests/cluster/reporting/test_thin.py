from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.reporting.thin import smooth, stride, thin


def test_extremes_first_and_last_stay() -> None:
    random = np.random.default_rng(0)
    columns = [random.normal(size=100_000), random.normal(size=100_000)]
    columns[0][54_321], columns[1][77_777] = 50.0, -60.0
    kept = thin(columns, 250)
    assert len(kept) <= 2 * 2 * 250 + 2
    assert kept[0] == 0 and kept[-1] == 99_999 and (np.diff(kept) > 0).all()
    assert {54_321, 77_777} <= set(kept)
    for column in columns:
        assert (column[kept].min(), column[kept].max()) == (column.min(), column.max())


def test_short_columns_stay_whole() -> None:
    assert thin([np.arange(10.0)], 250).tolist() == list(range(10))
    assert thin([], 250).size == thin([np.empty(0)], 250).size == 0


def test_what_is_not_finite_hides_nothing() -> None:
    column = np.full(10_000, np.nan)
    column[5000], column[5001], column[7000] = 3.0, np.inf, -2.0
    kept = column[thin([column], 10)]
    assert {3.0, -2.0} <= set(kept[np.isfinite(kept)])


def test_a_running_mean_is_centred_and_leaves_out_what_is_not_finite() -> None:
    assert smooth(np.array([1.0, 2.0, 6.0, 2.0]), 2).tolist() == [1.5, 3.0, pytest.approx(10 / 3), 4.0]
    found = smooth(np.array([1.0, np.nan, 3.0, np.nan, np.nan, np.nan]), 2)
    assert found[:4].tolist() == [1.0, 2.0, 3.0, 3.0] and np.isnan(found[4:]).all()


@given(st.integers(0, 5000), st.integers(2, 40))
def test_at_most_so_many_are_chosen_with_the_last(count: int, most: int) -> None:
    chosen = stride(count, most)
    assert len(chosen) <= most and chosen == sorted(set(chosen))
    assert not count or (chosen[0], chosen[-1]) == (0, count - 1)
    assert len(chosen) >= min(count, most // 2)


def test_choices_of_a_growing_number_stay() -> None:
    """Each image is encoded once or twice, not every time one is added."""
    chosen = [set(stride(count, 24)[:-1]) for count in range(1, 200)]
    new = [len(after - before) for before, after in pairwise(chosen)]
    assert max(new) <= 1
