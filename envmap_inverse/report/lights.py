"""Find the brightest lights of a map. NumPy and SciPy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from envmap_inverse.latlong import texel_directions, texel_solid_angles

__all__ = ["Light", "brightest_lights"]

BRIGHTER_THAN_MEAN = 3
GLOW = 0.05
GLOW_DEGREES = 15
CLOSEST_DEGREES = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Light:
    """A bright spot of a map.

    Attributes:
        azimuth: degrees from 0 to 360; 0 is -z, 90 is +x of the map's frame, growing along a row.
        elevation: degrees above the horizon.
        solid_angle: steradians of the texels at half its peak or more.
        irradiance: W/m^2 of RGB that these texels send onto a surface that faces them, shape (3,).
        share: of the light that the whole map sends, its mean over RGB.
    """

    azimuth: float
    elevation: float
    solid_angle: float
    irradiance: NDArray[np.float64]
    share: float


def brightest_lights(texels: ArrayLike, count: int = 5) -> list[Light]:
    """The spots that send most light, the strongest first.

    Spots are sought from the brightest texel (of the mean over 3 x 3 and RGB) downwards. A spot is
    what hangs together round it at half its radiance or more, and it must be three times as bright
    as the map's mean. To its glow, in which no other is sought, belongs what is within 5 degrees or
    twice its radius, and what hangs together with it at 5 % within 15 degrees.

    Args:
        texels: shape (H, W, 3); negative values count as 0.
        count: how many at most.
    """
    map_ = np.maximum(np.nan_to_num(np.asarray(texels, np.float64)), 0)
    height, width, _ = map_.shape
    solid_angles = texel_solid_angles(height, width)
    directions = texel_directions(height, width)
    sent = map_.mean(axis=2) * solid_angles
    smooth = ndimage.uniform_filter(map_.mean(axis=2), 3, mode=("nearest", "wrap"))
    faintest = BRIGHTER_THAN_MEAN * sent.sum() / (4 * np.pi)
    is_free = np.ones((height, width), bool)
    lights: list[Light] = []
    while len(lights) < 2 * count:
        row, column = np.unravel_index(np.argmax(np.where(is_free, smooth, -1)), smooth.shape)
        if not is_free[row, column] or smooth[row, column] <= faintest:
            break
        place, peak = (int(row), int(column)), smooth[row, column]
        is_in = _connected(is_free & (smooth >= peak / 2), place)
        weights = (sent * is_in)[:, :, None]
        centre = np.sum(weights * directions, axis=(0, 1))
        centre /= np.linalg.norm(centre)
        solid_angle = float(solid_angles[is_in].sum())
        lights.append(
            Light(
                azimuth=float(np.degrees(np.arctan2(centre[0], -centre[2])) % 360),
                elevation=float(np.degrees(np.arcsin(np.clip(centre[1], -1, 1)))),
                solid_angle=solid_angle,
                irradiance=np.sum(map_ * (solid_angles * is_in)[:, :, None], axis=(0, 1)),
                share=float(weights.sum() / sent.sum()),
            )
        )
        # A cap of solid angle s has the radius arccos(1 - s / 2 pi).
        radius = np.arccos(1 - min(solid_angle / (2 * np.pi), 2))
        reach = min(max(2 * radius, np.radians(CLOSEST_DEGREES)), np.pi)
        away = np.arccos(np.clip(directions @ centre, -1, 1))
        glow = _connected(smooth >= GLOW * peak, place) & (away < np.radians(GLOW_DEGREES))
        is_free &= ~is_in & ~glow & (away > reach)
    return sorted(lights, key=lambda light: -light.share)[:count]


def _connected(mask: NDArray[np.bool_], place: tuple[int, int]) -> NDArray[np.bool_]:
    """The part of a mask that hangs together with one of its texels, across the map's seam too."""
    row, column = place
    width = mask.shape[1]
    labels, _ = ndimage.label(np.concatenate([mask, mask, mask], axis=1))
    part = labels == labels[row, width + column]
    return np.asarray(np.logical_or.reduce(np.split(part, 3, axis=1)))
