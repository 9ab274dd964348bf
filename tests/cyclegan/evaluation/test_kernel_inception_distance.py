from itertools import combinations

import numpy as np
import pytest

from cyclegan.evaluation.estimate import Estimate
from cyclegan.evaluation.kernel_inception_distance import kernel_inception_distance
from tests.cyclegan.evaluation.leaves import damaged, features, halves


def direct(x: np.ndarray, y: np.ndarray) -> float:
    """The definition, pair by pair."""

    def mean(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
        return float(np.mean([(a @ b / len(a) + 1) ** 3 for a, b in pairs]))

    return mean(list(combinations(x, 2))) + mean(list(combinations(y, 2))) - 2 * mean([(a, b) for a in x for b in y])


def samples(n: int, m: int, d: int, shift: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal((m, d)) + shift


@pytest.mark.parametrize(("n", "m"), [(2, 2), (5, 9), (9, 5)])
def test_it_is_the_mean_over_pairs(n: int, m: int) -> None:
    x, y = samples(n, m, 4, 0.5)
    assert kernel_inception_distance(x, y).value == pytest.approx(direct(x, y), rel=1e-12)


def test_it_is_the_mean_over_all_subsets() -> None:
    """So drawing subsets, as publications do, only adds noise."""
    x, y = samples(5, 4, 3, 0.5)
    subsets = [direct(x[list(i)], y[list(j)]) for i in combinations(range(5), 3) for j in combinations(range(4), 3)]
    assert kernel_inception_distance(x, y).value == pytest.approx(np.mean(subsets), rel=1e-12)


def test_the_standard_error_is_the_jackknife() -> None:
    x, y = samples(7, 6, 3, 0.5)
    without_x = np.array([direct(np.delete(x, i, 0), y) for i in range(7)])
    without_y = np.array([direct(x, np.delete(y, i, 0)) for i in range(6)])
    expected = sum((len(values) - 1) * values.var() for values in (without_x, without_y)) ** 0.5
    assert kernel_inception_distance(x, y).standard_error == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("shift", "least", "most"), [(0.5, 0.8, 1.3), (0.0, 1.0, 1.7)])
def test_the_standard_error_is_the_spread_of_repeated_samples(shift: float, least: float, most: float) -> None:
    """And the mean of the estimates is the true distance: 0 for equal distributions, where the error is too large by up to sqrt(2)."""
    found = [kernel_inception_distance(*samples(40, 60, 8, shift, seed)) for seed in range(400)]
    values, errors = np.array(found, np.float64).T
    spread = values.std(ddof=1)
    assert least < np.sqrt((errors**2).mean()) / spread < most
    # Of x, y ~ N(0, I): E (x.y / d + 1)³ = 1 + 3 / d, and likewise with y ~ N(s 1, I): see below.
    assert values.mean() == pytest.approx(expectation(8, shift), abs=4 * spread / 20)


def expectation(d: int, s: float) -> float:
    """MMD² of N(0, I) and N(s 1, I), from the moments of t = x.y / d under the kernel 1 + 3 t + 3 t² + t³.

    Independent x, y with means a 1, b 1 and unit variances: E t = a b, and Var t = (1 + a² + b²) / d. The third central moment of one
    product is 6 a b, so that of t is 6 a b / d².
    """

    def kernel(a: float, b: float) -> float:
        mean, variance, skew = a * b, (1 + a * a + b * b) / d, 6 * a * b / d**2
        return 1 + 3 * mean + 3 * (variance + mean**2) + (skew + 3 * mean * variance + mean**3)

    return kernel(0, 0) + kernel(s, s) - 2 * kernel(0, s)


def test_more_rows_than_one_block() -> None:
    x, y = samples(1100, 600, 5, 0.3)
    gram = [(a @ b.T / 5 + 1) ** 3 for a, b in ((x, x), (y, y), (x, y))]
    within = sum((k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in gram[:2])
    assert kernel_inception_distance(x, y).value == pytest.approx(within - 2 * gram[2].mean(), rel=1e-9)


def test_float32_and_order() -> None:
    x, y = (sample.astype(np.float32) for sample in samples(50, 70, 64, 0.2))
    found, turned = kernel_inception_distance(x, y), kernel_inception_distance(y[::-1], x[::-1])
    assert found == pytest.approx(turned, rel=1e-9)


def test_it_grows_with_blur_and_noise() -> None:
    first = features(halves()[0])
    found = {damage: kernel_inception_distance(first, features(images)) for damage, images in damaged().items()}
    assert found["none"].standard_error is not None
    assert abs(found["none"].value) < 2 * found["none"].standard_error
    assert found["none"].value < found["blur 1"].value < found["blur 2"].value
    assert found["none"].value < found["noise 15"].value < found["noise 40"].value


def test_small_sets() -> None:
    x, y = samples(2, 3, 4)
    found = kernel_inception_distance(x, y)
    assert found == Estimate(pytest.approx(direct(x, y)), None)
    with pytest.raises(ValueError, match="KID of 1 and 3 images: each set needs at least 2"):
        kernel_inception_distance(x[:1], y)
    with pytest.raises(ValueError, match="features of 4 and 3 dimensions"):
        kernel_inception_distance(x, y[:, :3])
