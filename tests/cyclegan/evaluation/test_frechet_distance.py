import numpy as np
import pytest

from cyclegan.evaluation.frechet_distance import frechet_distance
from tests.cyclegan.evaluation.leaves import damaged, features, halves


def sample(n: int, mean: np.ndarray, covariance: np.ndarray, seed: int) -> np.ndarray:
    """n rows with exactly this mean and unbiased covariance."""
    x = np.random.default_rng(seed).standard_normal((n, len(mean)))
    x -= x.mean(0)
    white = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False).reshape(len(mean), -1))).T
    return white @ np.linalg.cholesky(covariance).T + mean


def random_covariance(d: int, seed: int) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal((d, d))
    return x @ x.T + 0.1 * np.eye(d)


def test_one_dimension() -> None:
    """(mean - mean)² + (deviation - deviation)²."""
    one, other = sample(50, np.array([1.0]), np.array([[4.0]]), 0), sample(70, np.array([-2.0]), np.array([[0.25]]), 1)
    assert frechet_distance(one, other) == pytest.approx(9 + 1.5**2, rel=1e-12)


def test_commuting_covariances() -> None:
    """With common axes the distance is the sum of those along the axes."""
    axes = np.linalg.qr(np.random.default_rng(2).standard_normal((6, 6)))[0]
    s, t = np.array([9.0, 4, 1, 1, 0.5, 1e-6]), np.array([1.0, 4, 9, 2, 1e-6, 1])
    mean = np.arange(6.0)
    one, other = sample(100, mean, axes * s @ axes.T, 3), sample(40, np.zeros(6), axes * t @ axes.T, 4)
    assert frechet_distance(one, other) == pytest.approx((mean**2).sum() + ((s**0.5 - t**0.5) ** 2).sum(), rel=1e-9)


def test_two_dimensions() -> None:
    """tr M^½ = (tr M + 2 (det M)^½)^½ for 2 x 2."""
    s, t = random_covariance(2, 5), random_covariance(2, 6)
    root = np.sqrt(np.trace(s @ t) + 2 * np.sqrt(np.linalg.det(s @ t)))
    found = frechet_distance(sample(30, np.zeros(2), s, 7), sample(30, np.zeros(2), t, 8))
    assert found == pytest.approx(np.trace(s + t) - 2 * root, rel=1e-9)


@pytest.mark.parametrize(("n", "m"), [(500, 60), (60, 500), (5000, 300)])
def test_any_covariances(n: int, m: int) -> None:
    """Against the eigenvalues of the product of the covariances, which do not commute; 5,000 rows are more than one block."""
    s, t, mean = random_covariance(40, 9), random_covariance(40, 10), np.linspace(-1, 1, 40)
    roots = np.sqrt(np.linalg.eigvals(s @ t).real)
    found = frechet_distance(sample(n, mean, s, 11), sample(m, 2 * mean, t, 12))
    assert found == pytest.approx((mean**2).sum() + np.trace(s + t) - 2 * roots.sum(), rel=1e-8)


def test_fewer_images_than_features() -> None:
    """Covariances without full rank; their product's root by its definition, through the root of one of them."""
    rng = np.random.default_rng(13)
    one, other = rng.standard_normal((12, 30)).astype(np.float32), rng.standard_normal((20, 30)).astype(np.float32)
    s, t = np.cov(one.astype(np.float64), rowvar=False), np.cov(other.astype(np.float64), rowvar=False)
    values, vectors = np.linalg.eigh(s)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    fidelity = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ t @ root), 0)).sum()
    expected = ((one.mean(0, np.float64) - other.mean(0, np.float64)) ** 2).sum() + np.trace(s + t) - 2 * fidelity
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("n", [20, 200])
def test_a_set_is_at_distance_0_from_itself(n: int) -> None:
    x = 5 + np.random.default_rng(14).standard_normal((n, 50))
    assert frechet_distance(x, x[::-1]) == pytest.approx(0, abs=1e-10)


def test_it_grows_with_blur_and_noise() -> None:
    first = features(halves()[0])
    found = {damage: frechet_distance(first, features(images)) for damage, images in damaged().items()}
    assert 0 < 1.5 * found["none"] < found["blur 1"] < found["blur 2"]
    assert 1.5 * found["none"] < found["noise 15"] < found["noise 40"]


def test_small_sets() -> None:
    x = np.ones((3, 4))
    with pytest.raises(ValueError, match="FID of 3 and 1 images: each set needs at least 2"):
        frechet_distance(x, x[:1])
    with pytest.raises(ValueError, match="features of 4 and 2 dimensions"):
        frechet_distance(x, x[:, :2])
