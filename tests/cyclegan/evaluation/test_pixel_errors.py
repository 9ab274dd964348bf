import json
from math import log10

import numpy as np
import pytest

from cyclegan.evaluation.pixel_errors import mean_absolute_error, peak_signal_to_noise_ratio
from tests.cyclegan.evaluation.skimage_values import VALUES, pairs


@pytest.mark.parametrize("name", pairs())
def test_psnr_is_that_of_scikit_image(name: str) -> None:
    expected = json.loads(VALUES.read_text())["values"][name]["psnr"]
    assert peak_signal_to_noise_ratio(*pairs()[name]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_added_constant(dtype: type) -> None:
    most = np.iinfo(dtype).max
    image = np.arange(5 * 6 * 3, dtype=dtype).reshape(5, 6, 3)
    brighter = image + dtype(most // 5)
    for one, other in ((image, brighter), (brighter, image)):
        assert mean_absolute_error(one, other) == pytest.approx(0.2)
        assert peak_signal_to_noise_ratio(one, other) == pytest.approx(-20 * log10(0.2))


def test_the_ends_of_the_range() -> None:
    black, white = np.zeros((2, 2, 1), np.uint8), np.full((2, 2, 1), 255, np.uint8)
    assert mean_absolute_error(black, white) == 1 and peak_signal_to_noise_ratio(black, white) == 0
    assert mean_absolute_error(black, black) == 0 and peak_signal_to_noise_ratio(black, black) == float("inf")


def test_images_that_differ_in_shape_or_depth() -> None:
    image = np.zeros((2, 3, 1), np.uint8)
    with pytest.raises(ValueError, match=r"images of \[2, 3, 1\] uint8 and \[3, 2, 1\] uint8 cannot be compared"):
        mean_absolute_error(image, np.zeros((3, 2, 1), np.uint8))
    with pytest.raises(ValueError, match=r"\[2, 3, 1\] uint16 cannot be compared"):
        peak_signal_to_noise_ratio(image, image.astype(np.uint16))
