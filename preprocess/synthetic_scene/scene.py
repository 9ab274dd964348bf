"""Scenes of the synthetic data set: smooth shapes that never touch, on a lit background.

A scene has no style: it records the colour of each pixel under white light, and its distance from the nearest outline.
`preprocess.synthetic` paints both domains from these two arrays, so that either image determines the other.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ringcycle.hashing import generator

Array = npt.NDArray[np.float32]

UNIT = 72
"""Units of length per side: lengths in this file are pixels of a 72 x 72 image; other sizes scale them."""

_CORNERS = 36
"""Corners of the polygon that approximates a smooth outline."""

_HUES = np.array([0.00, 0.04, 0.09, 0.15, 0.30, 0.38, 0.56, 0.63, 0.90])
"""Hues of shapes, in turns."""

_ROUNDING = 1.5
"""Radius of the smallest corner, in units."""

_GAP = 3.5
"""Units between the discs that enclose the shapes: if shapes overlapped, a line could appear far from any visible outline."""


@dataclass(frozen=True)
class Scene:
    """One scene, size x size pixels.

    albedo: (size, size, 3) float32 in [0, 1], the colour under white light, outlines smoothed over one pixel.
    distance: (size, size) float32, pixels to the nearest outline, negative inside a shape.
    scale: pixels per unit of length; an image has UNIT units per side.
    """

    albedo: Array
    distance: Array
    scale: float


def draw_scene(seed: int, index: int, size: int) -> Scene:
    """Draw scene `index` of `seed`: about 4 to 8 shapes of varying outline, colour, size and angle, lit from one side.

    Depends on (seed, index, size) only.
    """
    rng = generator(seed, "synthetic scene", index)
    scale = size / UNIT
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / scale + np.float32(0.5 / scale)
    turn = rng.uniform(0, 2 * np.pi)
    light = np.array([np.cos(turn), np.sin(turn)])
    albedo = _background(rng, x, y, light)
    distance = np.full((size, size), np.float32(UNIT))
    for centre, radius in _discs(rng):
        outline = _outline(rng) * radius + centre
        part = _window(centre, radius, size, scale)
        inside = _signed_distance(x[part], y[part], outline) - _ROUNDING
        shadow = _signed_distance(x[part], y[part], outline - 2.5 * light) - _ROUNDING
        albedo[part] *= 1 - 0.3 * _soft(shadow, 2.5)[..., None] * _soft(-inside, 0.5)[..., None]
        shade = ((x[part] - centre[0]) * light[0] + (y[part] - centre[1]) * light[1]) / radius
        colour = _colour(rng) * (1 + 0.35 * shade[..., None]) * (1 - 0.12 * _soft(-inside - 2, 4)[..., None])
        cover = _soft(inside, 0.5 / scale)[..., None]
        albedo[part] = albedo[part] * (1 - cover) + colour * cover
        distance[part] = np.minimum(distance[part], inside)
    return Scene(np.clip(albedo, 0, 1).astype(np.float32), (distance * scale).astype(np.float32), scale)


def _background(rng: np.random.Generator, x: Array, y: Array, light: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A gradient at a random angle between a pale and a deep colour of opposite hues, so that images have similar means."""
    turn = rng.uniform(0, 2 * np.pi)
    along = 0.5 + ((x - UNIT / 2) * np.cos(turn) + (y - UNIT / 2) * np.sin(turn)) / UNIT / 1.1
    hue = rng.uniform()
    pale = _rgb(hue, rng.uniform(0.15, 0.45), rng.uniform(0.85, 1.0))
    deep = _rgb(hue + 0.5 + rng.uniform(-0.15, 0.15), rng.uniform(0.3, 0.6), rng.uniform(0.25, 0.45))
    lit = 1 + 0.15 * ((x - UNIT / 2) * light[0] + (y - UNIT / 2) * light[1]) / (UNIT / 2)
    blend = np.clip(along, 0, 1)[..., None]
    mixed: npt.NDArray[np.float64] = ((1 - blend) * deep + blend * pale) * lit[..., None]
    return mixed


def _discs(rng: np.random.Generator) -> list[tuple[npt.NDArray[np.float64], float]]:
    """Centres and radii of discs with a gap between them, large ones first; random centres that collide are dropped."""
    discs: list[tuple[npt.NDArray[np.float64], float]] = []
    for radius in np.concatenate([rng.uniform(13, 20, 8), rng.uniform(9, 13, 16), rng.uniform(7, 9, 16)]):
        centre = rng.uniform(-2, UNIT + 2, 2)
        if all(np.hypot(*(centre - other)) > radius + reach + _GAP for other, reach in discs):
            discs.append((centre, float(radius)))
    return discs


def _outline(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Corners (K, 2) of one of five shapes within the unit disc, rotated and squeezed."""
    t = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    shape = rng.integers(5)
    if shape == 0:
        r = np.ones_like(t)
    elif shape == 1:
        n = rng.integers(3, 7)
        t = np.linspace(0, 2 * np.pi, n, endpoint=False)
        r = np.ones(n)
    elif shape == 2:
        r = 0.82 + 0.18 * np.cos(rng.integers(4, 7) * t)
    elif shape == 3:
        n = rng.integers(5, 7)
        t = np.linspace(0, 2 * np.pi, 2 * n, endpoint=False)
        r = np.where(np.arange(2 * n) % 2, 0.62, 1.0)
    else:
        r = np.ones_like(t)
    points = np.stack([r * np.cos(t), r * np.sin(t)], 1)
    if shape == 4:
        points[:, 1] = np.sign(points[:, 1]) * (1 - np.abs(points[:, 0]) ** 1.6) * 0.62
    squeeze = rng.uniform(0.72, 1) if shape != 4 else 1.0
    turn = rng.uniform(0, 2 * np.pi)
    c, s = np.cos(turn), np.sin(turn)
    turned: npt.NDArray[np.float64] = points * [0.92, 0.92 * squeeze] @ np.array([[c, s], [-s, c]])
    return turned


def _colour(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """A saturated colour; the hues are unevenly spaced, so that no rotation of the colour circle maps the set onto itself."""
    return _rgb(rng.choice(_HUES) + rng.normal(0, 0.012), rng.uniform(0.6, 0.9), rng.uniform(0.5, 0.9))


def _rgb(hue: float, saturation: float, value: float) -> npt.NDArray[np.float64]:
    """HSV to RGB, all in [0, 1], hue in turns."""
    wheel = np.clip(np.abs((hue + np.array([0, 2 / 3, 1 / 3])) % 1 * 6 - 3) - 1, 0, 1)
    colour: npt.NDArray[np.float64] = value * (1 - saturation + saturation * wheel)
    return colour


def _window(centre: npt.NDArray[np.float64], radius: float, size: int, scale: float) -> tuple[slice, slice]:
    """The pixels that a shape and its shadow can cover."""
    low = np.clip(np.floor((centre - radius - 6) * scale), 0, size).astype(int)
    high = np.clip(np.ceil((centre + radius + 6) * scale), 0, size).astype(int)
    return slice(low[1], high[1]), slice(low[0], high[0])


def _soft(distance: Array, half: float) -> Array:
    """1 inside, 0 outside, with a ramp of `half` on either side of the outline."""
    ramp: Array = np.clip(0.5 - distance / np.float32(2 * half), 0, 1)
    return ramp


def _signed_distance(x: Array, y: Array, corners: npt.NDArray[np.float64]) -> Array:
    """Distance of each (x, y) to the polygon of corners (K, 2), negative inside."""
    start = corners.astype(np.float32)[:, :, None, None]
    edge = np.roll(start, -1, 0) - start
    px, py = x - start[:, 0], y - start[:, 1]
    ex, ey = edge[:, 0], edge[:, 1]
    t = np.clip((px * ex + py * ey) / (ex * ex + ey * ey), 0, 1)
    near = np.sqrt(((px - t * ex) ** 2 + (py - t * ey) ** 2).min(0))
    started, unfinished, left = py >= 0, py < ey, ex * py > ey * px
    crossings = ((started & unfinished & left) | ~(started | unfinished | left)).sum(0)
    signed: Array = near * np.where(crossings % 2, np.float32(-1), np.float32(1))
    return signed
