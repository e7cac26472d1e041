"""One lamp and even light, as a diffuse ball shows them. NumPy only.

Pixels of a diffuse ball are a + b max(0, n.l) under even light and a far lamp in the direction l
(Lambert, "Photometria", 1760), n being the normal. The direction is looked for over the sphere, and
then nearer and nearer; a and b follow by least squares, neither of them negative.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.sphere.latlong import texel_directions, texel_solid_angles

__all__ = ["Lamp", "fibonacci_directions", "fit_lamp"]

Array = NDArray[np.float64]

NUM_DIRECTIONS = 2000
REACHES = 0.06, 0.02, 0.006
"""Radians about the best direction so far within which better ones are looked for."""

WIDTH = 5.0
"""Standard deviation in degrees of the lamp in a map, which keeps it from the noise of texels."""

NUM_PIXELS = 4000
"""Pixels that are fitted, of more every second, third, ..."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Lamp:
    """A far lamp, and even light.

    Attributes:
        direction: unit vector towards the lamp, shape (3,).
        even: value of a pixel that the lamp does not reach, shape (3,).
        facing: what the lamp adds to a pixel that faces it, shape (3,).
        unexplained: share of the pixels' variance that this does not explain.
    """

    direction: Array
    even: Array
    facing: Array
    unexplained: float

    def texels(self, height: int, width: int, reflectance: float) -> NDArray[np.float32]:
        """The map of this light, linear radiance (H, W, 3).

        Args:
            height: rows.
            width: columns.
            reflectance: of the ball, so that a pixel's value is its radiance.
        """
        spread = math.radians(max(WIDTH, 360 / width))
        lobe = np.exp((texel_directions(height, width) @ self.direction - 1) / spread**2)
        lobe /= (lobe * texel_solid_angles(height, width)).sum()
        even = np.maximum(self.even, 1e-3 * self.facing)
        light = even + np.pi * lobe[:, :, None] * self.facing
        return np.asarray(light / reflectance, np.float32)


def fit_lamp(normals: Array, values: Array) -> Lamp:
    """Fit a lamp and even light to pixels of a diffuse ball.

    Args:
        normals: unit vectors, shape (n, 3).
        values: linear, shape (n, 3).
    """
    step = max(1, len(values) // NUM_PIXELS)
    normals, values = normals[::step], np.asarray(values[::step], np.float64)
    grey = values.mean(axis=1)
    best = _best(normals, grey, fibonacci_directions(NUM_DIRECTIONS))
    offsets = np.linspace(-1, 1, 7)
    for reach in REACHES:
        across = np.linalg.svd(best[None])[2][1:]
        places = np.stack(np.meshgrid(offsets, offsets), axis=-1).reshape(-1, 2)
        near = best + reach * places @ across
        best = _best(normals, grey, near / np.linalg.norm(near, axis=1, keepdims=True))
    fits = [_levels(normals, channel, best[None]) for channel in values.T]
    even, facing = (np.array([fit[k][0] for fit in fits]) for k in (0, 1))
    squares = _levels(normals, grey, best[None])[2][0]
    return Lamp(
        direction=best,
        even=even,
        facing=facing,
        unexplained=float(squares / max(float(grey.var()), 1e-30)),
    )


def _best(normals: Array, grey: Array, directions: Array) -> Array:
    return np.asarray(directions[np.argmin(_levels(normals, grey, directions)[2])])


def _levels(normals: Array, grey: Array, directions: Array) -> tuple[Array, Array, Array]:
    """Even light, what the lamp adds, and the mean squared misfit, for each direction."""
    cosines = np.maximum(normals @ directions.T, 0)
    mean, level = cosines.mean(axis=0), grey.mean()
    shared = grey @ cosines / len(grey)
    square = (cosines**2).mean(axis=0)
    facing = np.maximum(shared - mean * level, 0) / np.maximum(square - mean**2, 1e-9)
    even = level - facing * mean
    is_dark = even < 0
    facing = np.where(is_dark, shared / np.maximum(square, 1e-9), facing)
    even = np.where(is_dark, 0, even)
    misfit = (
        (grey**2).mean()
        - 2 * (even * level + facing * shared)
        + even**2
        + 2 * even * facing * mean
        + facing**2 * square
    )
    return even, facing, np.maximum(misfit, 0)


def fibonacci_directions(count: int) -> Array:
    """Unit vectors that lie evenly over the sphere, on a Fibonacci spiral."""
    place = np.arange(count) + 0.5
    y = 1 - 2 * place / count
    phi = np.pi * (1 + 5**0.5) * place
    radius = np.sqrt(1 - y**2)
    return np.stack([radius * np.cos(phi), y, radius * np.sin(phi)], axis=-1)
