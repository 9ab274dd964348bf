"""Matrices of Winograd's minimal filtering F(m, r): m outputs of an r-tap correlation with m + r - 1 multiplications.

Winograd, Arithmetic Complexity of Computations (1980); applied to neural networks by Lavin and Gray (arXiv 1509.09308).
"""

from fractions import Fraction
from functools import cache
from math import prod
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.floating]

# Reciprocal pairs of both signs. Float32 error of 256 channels, in standard deviations of the output: F(4, 3) 2e-6, F(6, 3) 6e-6, a direct
# convolution 9e-7; with points 0, ±1, ±2, F(4, 3) has 1e-5.
POINTS = [Fraction(p) for p in ("0", "1", "-1", "1/2", "-2", "-1/2", "2")]


class Transforms(NamedTuple):
    """y = output @ ((kernel @ g) * (input @ d)) is y[i] = sum over j of g[j] d[i + j]; a = m + r - 1."""

    output: Matrix  # [m, a]
    kernel: Matrix  # [a, r]
    input: Matrix  # [a, a]


@cache
def cook_toom(m: int, r: int) -> Transforms:
    """Construct F(m, r) by interpolation at m + r - 2 POINTS and infinity (Cook-Toom), in exact arithmetic until the last step.

    The product of two polynomials is found from its values at the points; correlation is its transpose (Lavin and Gray, 5.1).
    """
    assert m + r - 2 <= len(POINTS)
    points = POINTS[: m + r - 2]
    vanishing = _product(points)
    # Line i holds the coefficients of the Lagrange polynomial of point i; the last, for infinity, vanishes at all points.
    lines = []
    for p in points:
        others = [q for q in points if q != p]
        scale = prod(p - q for q in others)
        lines.append([c / scale for c in _product(others)] + [Fraction(0)])
    lagrange = np.array([*lines, vanishing], float)
    kernel = _values(points, r)
    # A factor can move from one matrix to the other; equal largest elements keep both in the same range.
    balance = np.sqrt(np.abs(lagrange).max(1) / np.abs(kernel).max(1))[:, None]
    return Transforms(_values(points, m).T, kernel * balance, lagrange / balance)


def _product(roots: list[Fraction]) -> list[Fraction]:
    """Coefficients, lowest first, of the product of all (x - root)."""
    coefficients = [Fraction(1)]
    for root in roots:
        shifted, scaled = [Fraction(0), *coefficients], [*(root * c for c in coefficients), Fraction(0)]
        coefficients = [a - b for a, b in zip(shifted, scaled, strict=True)]
    return coefficients


def _values(points: list[Fraction], length: int) -> Matrix:
    """Matrix [len(points) + 1, length] that maps coefficients to values at the points and, last, at infinity."""
    at_infinity = [0] * (length - 1) + [1]
    return np.array([[p**j for j in range(length)] for p in points] + [at_infinity], float)
