"""A measured value with its standard error."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Estimate(NamedTuple):
    """A value and its standard error, in the value's unit; None where too few data, or infinite ones, leave the error unknown."""

    value: float
    standard_error: float | None


def mean_of(values: Sequence[float] | npt.NDArray[np.float64]) -> Estimate:
    """The mean of one value per image, with the standard error of that mean, which regards the images as a random sample.

    Raises ValueError if there is no value.
    """
    numbers = np.asarray(values, np.float64)
    if not numbers.size:
        raise ValueError("mean of no values")
    known = numbers.size > 1 and bool(np.isfinite(numbers).all())
    return Estimate(float(numbers.mean()), float(numbers.std(ddof=1) / np.sqrt(numbers.size)) if known else None)
