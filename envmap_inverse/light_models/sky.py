"""Mitsuba's `sunsky` emitter as a function (Hosek and Wilkie 2012)."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.backend import dr, mi

__all__ = ["ALBEDO", "TURBIDITIES", "emitter", "radiance", "sun_irradiance"]

Array = NDArray[np.float64]

TURBIDITIES = np.arange(1, 10.01, 0.5)
"""All that the model knows: from 1, pure air, to 10, haze."""

ALBEDO = 0.3
"""Of the ground, Mitsuba's default."""

SUN_RADIUS = np.radians(0.5358 / 2)
NUM_RINGS = 16


def emitter(sun: Array, turbidity: float, sky_scale: float, sun_scale: float) -> dict[str, Any]:
    """Mitsuba's description of the emitter, in axes with +y up.

    Args:
        sun: unit vector towards the sun, shape (3,).
        turbidity: from 1 to 10.
        sky_scale: factor on the sky.
        sun_scale: factor on the sun's disc.
    """
    return {
        "type": "sunsky",
        "turbidity": turbidity,
        "albedo": ALBEDO,
        "sun_direction": [float(part) for part in sun],
        "sky_scale": sky_scale,
        "sun_scale": sun_scale,
        "to_world": mi.ScalarTransform4f().rotate([1, 0, 0], -90),
    }


def radiance(
    directions: Array, sun: Array, turbidity: float, *, sky: float = 1.0, disc: float = 0.0
) -> Array:
    """Radiance of the model from directions (n, 3), shape (n, 3); 0 below the horizon.

    Args:
        directions: unit vectors.
        sun: see `emitter`.
        turbidity: see `emitter`.
        sky: factor on the sky.
        disc: factor on the sun's disc.
    """
    described = mi.load_dict(emitter(sun, turbidity, sky, disc))
    point = dr.zeros(mi.SurfaceInteraction3f, len(directions))
    point.wi = -mi.Vector3f(np.ascontiguousarray(directions.T, np.float32))
    return np.array(described.eval(point), np.float64).T


def sun_irradiance(sun: Array, turbidity: float) -> Array:
    """Irradiance of the model's sun disc, shape (3,): the sum over rings of equal solid angle."""
    return np.array(_of_disc(float(turbidity), *map(float, sun)))


@functools.lru_cache(maxsize=64)
def _of_disc(turbidity: float, x: float, y: float, z: float) -> tuple[float, ...]:
    sun = np.array([x, y, z])
    across = np.linalg.svd(sun[None])[2][1]
    angles = SUN_RADIUS * np.sqrt((np.arange(NUM_RINGS) + 0.5) / NUM_RINGS)
    directions = np.cos(angles)[:, None] * sun + np.sin(angles)[:, None] * across
    light = radiance(directions, sun, turbidity, sky=0.0, disc=1.0)
    found = light.mean(axis=0) * 2 * np.pi * (1 - np.cos(SUN_RADIUS))
    return tuple(found.tolist())
