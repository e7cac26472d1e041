"""One lamp, sky and ground, as a diffuse ball shows them. NumPy only.

A pixel of a diffuse ball with the normal n is s (1 + n.y) / 2 + g (1 - n.y) / 2 + b max(0, n.l)
under an even sky, an even ground (y is up), and a far lamp in the direction l (Lambert,
"Photometria", 1760). Under light that is taken to be even, what brightens upwards would lift the
lamp; sky and ground are alike where telling them apart explains no more. The direction is looked
for over the sphere, and then nearer and nearer; s, g and b follow by least squares, none of them
negative.
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

HORIZON = 0.1
"""Sine of the elevation up to which the ground fades into the sky in a map."""

MENDED = 0.97
"""Share of the misfit under even light that sky and ground may leave, to be told apart."""

NUM_PIXELS = 4000
"""Pixels that are fitted, of more every second, third, ..."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Lamp:
    """A far lamp, an even sky and an even ground.

    Attributes:
        direction: unit vector towards the lamp, shape (3,).
        sky: value of a pixel that faces up and that the lamp does not reach, shape (3,).
        ground: the same of one that faces down.
        facing: what the lamp adds to a pixel that faces it, shape (3,).
        unexplained: share of the pixels' variance that this does not explain.
    """

    direction: Array
    sky: Array
    ground: Array
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
        directions = texel_directions(height, width)
        lobe = np.exp((directions @ self.direction - 1) / spread**2)
        lobe /= (lobe * texel_solid_angles(height, width)).sum()
        share = (1 + np.clip(directions[:, :, 1:2] / HORIZON, -1, 1)) / 2
        rest = self.ground + share * (self.sky - self.ground)
        light = np.maximum(rest, 1e-3 * self.facing) + np.pi * lobe[:, :, None] * self.facing
        return np.asarray(light / reflectance, np.float32)


def fit_lamp(normals: Array, values: Array) -> Lamp:
    """Fit a lamp, sky and ground to pixels of a diffuse ball.

    Args:
        normals: unit vectors, shape (n, 3).
        values: linear, shape (n, 3).
    """
    step = max(1, len(values) // NUM_PIXELS)
    normals, values = normals[::step], np.asarray(values[::step], np.float64)
    up = normals[:, 1]
    even = _fit(normals, values, np.ones((len(normals), 1)))
    halves = _fit(normals, values, np.stack([(1 + up) / 2, (1 - up) / 2], axis=1))
    direction, levels, misfit = halves if halves[2] < MENDED * even[2] else even
    return Lamp(
        direction=direction,
        sky=levels[0],
        ground=levels[-2],
        facing=levels[-1],
        unexplained=float(misfit / max(float(values.mean(axis=1).var()), 1e-30)),
    )


def _fit(normals: Array, values: Array, rest: Array) -> tuple[Array, Array, float]:
    """Direction of the lamp, levels of the rest and it, (k + 1, 3), and the mean squared misfit.

    Args:
        normals: shape (n, 3).
        values: shape (n, 3).
        rest: what light other than the lamp's gives pixels, shape (n, k).
    """
    grey = values.mean(axis=1)
    best = _best(normals, grey, rest, fibonacci_directions(NUM_DIRECTIONS))
    offsets = np.linspace(-1, 1, 7)
    for reach in REACHES:
        across = np.linalg.svd(best[None])[2][1:]
        places = np.stack(np.meshgrid(offsets, offsets), axis=-1).reshape(-1, 2)
        near = best + reach * places @ across
        best = _best(normals, grey, rest, near / np.linalg.norm(near, axis=1, keepdims=True))
    levels = [_levels(normals, channel, rest, best[None])[0][0] for channel in values.T]
    misfit = float(_levels(normals, grey, rest, best[None])[1][0])
    return best, np.stack(levels, axis=1), misfit


def _best(normals: Array, grey: Array, rest: Array, directions: Array) -> Array:
    return np.asarray(directions[np.argmin(_levels(normals, grey, rest, directions)[1])])


def _levels(normals: Array, grey: Array, rest: Array, directions: Array) -> tuple[Array, Array]:
    """Levels of the rest and of the lamp, (n, k + 1), and the mean squared misfit (n,).

    Any of them may be 0: of what is not negative the best fit is taken, for each direction.
    """
    count = rest.shape[1] + 1
    cosines = np.maximum(normals @ directions.T, 0)
    normal = np.empty((len(directions), count, count))
    normal[:, :-1, :-1] = rest.T @ rest
    normal[:, :-1, -1] = normal[:, -1, :-1] = cosines.T @ rest
    normal[:, -1, -1] = (cosines**2).sum(axis=0)
    right = np.column_stack([np.tile(grey @ rest, (len(directions), 1)), grey @ cosines])
    levels, gain = np.zeros((len(directions), count)), np.zeros(len(directions))
    for number in range(1, 2**count):
        used = [place for place in range(count) if number >> place & 1]
        block = normal[:, used][:, :, used] + 1e-9 * len(grey) * np.eye(len(used))
        found = np.linalg.solve(block, right[:, used, None])[:, :, 0]
        own = (found * right[:, used]).sum(axis=1)
        is_better = (found >= 0).all(axis=1) & (own > gain)
        gain = np.where(is_better, own, gain)
        levels[is_better] = 0
        levels[np.ix_(is_better, used)] = found[is_better]
    return levels, np.maximum((grey @ grey - gain) / len(grey), 0)


def fibonacci_directions(count: int) -> Array:
    """Unit vectors that lie evenly over the sphere, on a Fibonacci spiral."""
    place = np.arange(count) + 0.5
    y = 1 - 2 * place / count
    phi = np.pi * (1 + 5**0.5) * place
    radius = np.sqrt(1 - y**2)
    return np.stack([radius * np.cos(phi), y, radius * np.sin(phi)], axis=-1)
