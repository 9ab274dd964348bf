import numpy as np
import pytest

from cyclegan.evaluation.estimate import Estimate, mean_of


def test_the_standard_error_is_that_of_the_mean() -> None:
    value, error = mean_of([1.0, 2.0, 3.0, 6.0])
    assert value == 3
    assert error == pytest.approx(np.sqrt((4 + 1 + 0 + 9) / 3 / 4))


def test_an_error_that_cannot_be_known_is_none() -> None:
    assert mean_of([2.5]) == Estimate(2.5, None)
    assert mean_of([30.0, float("inf")]) == Estimate(float("inf"), None)


def test_no_value_has_no_mean() -> None:
    with pytest.raises(ValueError, match="no values"):
        mean_of([])
