"""Fréchet inception distance (FID): the squared Wasserstein-2 distance of two Gaussians fitted to features (Heusel et al. 2017)."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_ROWS = 2048  # of features at once


def frechet_distance(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    """FID of features [n, d] and [m, d]: |mean - mean|² + tr(S + T - 2 (S T)^½), with unbiased covariances S and T.

    Biased upwards, the more the smaller the sets are: compare values only between sets of the same sizes; with far fewer images than
    features (2,048 of Inception) KID says more. With S = Fᵀ F and T = Gᵀ G, the trace of (S T)^½ is the sum of the singular values of
    F Gᵀ: this needs no root of a matrix that rounding made indefinite. Takes the memory of three d x d matrices and 2,048 rows.
    Raises ValueError for sets of fewer than 2, or of different d.
    """
    if min(len(one), len(other)) < 2:
        raise ValueError(f"FID of {len(one)} and {len(other)} images: each set needs at least 2")
    if one.shape[1] != other.shape[1]:
        raise ValueError(f"FID of features of {one.shape[1]} and {other.shape[1]} dimensions: they must be equal")
    means = one.mean(0, np.float64), other.mean(0, np.float64)
    f, g = _covariance_factor(one, means[0]), _covariance_factor(other, means[1])
    fidelity = np.linalg.svd(f @ g.T, compute_uv=False).sum()
    return float(((means[0] - means[1]) ** 2).sum() + (f**2).sum() + (g**2).sum() - 2 * fidelity)


def _covariance_factor(features: npt.NDArray[Any], mean: Array) -> Array:
    """F, at most d rows of d, with Fᵀ F = the unbiased covariance."""
    factor: Array = np.empty((0, features.shape[1]))
    for start in range(0, len(features), _ROWS):
        factor = np.concatenate([factor, features[start : start + _ROWS] - mean])
        if len(factor) > features.shape[1]:
            factor = np.asarray(np.linalg.qr(factor, "r"))
    return factor / float(np.sqrt(len(features) - 1))
