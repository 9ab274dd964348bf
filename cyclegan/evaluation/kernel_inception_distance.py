"""Kernel inception distance (KID): the squared maximum mean discrepancy of Inception features (Binkowski et al. 2018, section 4)."""

from typing import Any

import numpy as np
import numpy.typing as npt

from cyclegan.evaluation.estimate import Estimate

Array = npt.NDArray[np.float64]

_ROWS = 512  # of a kernel matrix at once


def kernel_inception_distance(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> Estimate:
    """KID of features [n, d] and [m, d], not multiplied by anything, with its standard error. Unbiased, so it may be slightly negative.

    The unbiased estimate of MMD² with the kernel (x·y / d + 1)³, from all pairs at once. Publications give the mean of this estimate
    over random subsets, often 100 of 1,000. Their mean over all possible subsets, of whatever size, is the value given here, so the two
    agree within the spread of the drawn ones; nothing is random here, and small sets need no other rule. The standard error is the
    jackknife's, over the images of both sets: too large by up to √2 where the distributions are equal (the estimate is degenerate
    there), and None for fewer than 3 images. Takes (n + m)² d products, and the memory of 512 rows of a kernel matrix.
    Raises ValueError for sets of fewer than 2, or of different d.
    """
    n, m = len(one), len(other)
    if min(n, m) < 2:
        raise ValueError(f"KID of {n} and {m} images: each set needs at least 2")
    if one.shape[1] != other.shape[1]:
        raise ValueError(f"KID of features of {one.shape[1]} and {other.shape[1]} dimensions: they must be equal")
    x, y = one.astype(np.float64), other.astype(np.float64)
    of_x, of_y = _within(x), _within(y)
    from_x, from_y = _across(x, y)
    value = _discrepancy(of_x.sum(), of_y.sum(), from_x.sum(), n, m)
    if min(n, m) < 3:
        return Estimate(float(value), None)
    without_x = _discrepancy(of_x.sum() - 2 * of_x, of_y.sum(), from_x.sum() - from_x, n - 1, m)
    without_y = _discrepancy(of_x.sum(), of_y.sum() - 2 * of_y, from_x.sum() - from_y, n, m - 1)
    return Estimate(float(value), float(np.sqrt((n - 1) * without_x.var() + (m - 1) * without_y.var())))


def _discrepancy(within_x: Any, within_y: Any, across: Any, n: int, m: int) -> Any:
    """MMD² from the sums of the kernel over ordered pairs within and across sets of n and m."""
    return within_x / (n * (n - 1)) + within_y / (m * (m - 1)) - 2 * across / (n * m)


def _within(x: Array) -> Array:
    """For each x the sum of its kernel with all others, [n]."""
    return _across(x, x)[0] - _kernel((x * x).sum(1), x.shape[1])


def _across(x: Array, y: Array) -> tuple[Array, Array]:
    """For each x the sum of its kernel with all y, and for each y with all x: [n] and [m]."""
    from_x, from_y = np.empty(len(x)), np.zeros(len(y))
    for start in range(0, len(x), _ROWS):
        kernel = _kernel(x[start : start + _ROWS] @ y.T, x.shape[1])
        from_x[start : start + _ROWS] = kernel.sum(1)
        from_y += kernel.sum(0)
    return from_x, from_y


def _kernel(products: Array, dimensions: int) -> Array:
    base = products / dimensions + 1
    cube: Array = base * base * base  # NumPy's ** 3 is many times slower
    return cube
