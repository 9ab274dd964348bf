import numpy as np
import pytest

from cyclegan.ops.cook_toom import cook_toom


@pytest.mark.parametrize(("m", "r"), [(2, 2), (4, 2), (2, 3), (4, 3), (6, 3), (3, 4), (4, 4)])
def test_minimal_filtering_equals_correlation(m, r):
    at, g, bt = cook_toom(m, r)
    rng = np.random.default_rng(0)
    data, taps = rng.normal(size=m + r - 1), rng.normal(size=r)
    # Matrices are rounded once, from exact fractions; that leaves a few dozen rounding errors of 1e-16.
    np.testing.assert_allclose(at @ ((g @ taps) * (bt @ data)), np.correlate(data, taps, "valid"), atol=1e-13)


@pytest.mark.parametrize(("m", "r"), [(4, 2), (4, 3), (6, 3), (3, 4), (4, 4)])
def test_float32_error_of_the_tiles_in_use(m, r):
    at, g, bt = (matrix.astype(np.float32) for matrix in cook_toom(m, r))
    rng = np.random.default_rng(0)
    data = rng.normal(size=(500, m + r - 1, m + r - 1)).astype(np.float32)
    taps = rng.normal(size=(r, r)).astype(np.float32)
    exact = np.einsum("nijkl,kl->nij", np.lib.stride_tricks.sliding_window_view(data.astype(float), (r, r), (1, 2)), taps)
    error = at @ ((g @ taps @ g.T) * (bt @ data @ bt.T)) @ at.T - exact
    # Measured: 3e-6 to 2e-5; F(6, 3) and F(4, 4), with the largest matrix elements, have the largest error.
    assert np.abs(error).max() < 3e-5 * exact.std()
