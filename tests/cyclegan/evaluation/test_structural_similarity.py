import json

import numpy as np
import pytest

from cyclegan.evaluation.structural_similarity import structural_similarity
from tests.cyclegan.evaluation.skimage_values import VALUES, pairs


@pytest.mark.parametrize("name", pairs())
def test_it_is_that_of_scikit_image(name: str) -> None:
    expected = json.loads(VALUES.read_text())["values"][name]["ssim"]
    assert structural_similarity(*pairs()[name]) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("side", [1, 4, 11, 30])
def test_flat_images_differ_in_luminance_only(side: int) -> None:
    dark, bright = (np.full((side, side, 2), level, np.uint8) for level in (51, 204))
    a, b, c1 = 0.2, 0.8, 0.01**2
    assert structural_similarity(dark, bright) == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1), rel=1e-9)


def test_an_added_constant_leaves_the_structure() -> None:
    """Then variances and covariance are equal, and luminance alone remains: more similar where the image is brighter."""
    image = pairs()["(64, 64, 3) uint8 0.02"][0] // 2
    found = [structural_similarity(image + np.uint8(base), image + np.uint8(base + 20)) for base in (0, 40, 80)]
    assert 0.9 < found[0] < found[1] < found[2] < 1


def test_equal_and_opposite_images() -> None:
    one = pairs()["(64, 64, 3) uint8 0.2"][1]
    assert structural_similarity(one, one) == pytest.approx(1, abs=1e-12)
    assert structural_similarity(one, 255 - one) < -0.5


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 40, 3), (2, 2, 1), (10, 300, 4)])
def test_images_smaller_than_the_window(shape: tuple[int, int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert structural_similarity(image, image) == pytest.approx(1)
    assert structural_similarity(image, 255 - image) < 1


def test_images_that_differ_in_shape() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        structural_similarity(np.zeros((9, 9, 1), np.uint8), np.zeros((9, 9, 3), np.uint8))
