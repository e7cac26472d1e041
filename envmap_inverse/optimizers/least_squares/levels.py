"""Levels of light: of the start map, and the least that a texel may have."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.recording.blocks import elementwise
from envmap_inverse.sphere import latlong
from envmap_inverse.system.arrays import as_columns

__all__ = ["least_values", "scaled_start"]

FLOOR = 0.01

DARKEST, AROUND = 0.1, float(np.radians(4))
"""Least share of the light around that a texel has, and the reach of what is around, radians."""

LEAST_SHARE = 0.02
"""Least start value of a channel, as a share of the others'."""

Texels = NDArray[Any]
"""Shape (H * W, 3)."""

Pixels = NDArray[Any]
"""Shape (pixels, 3)."""


def scaled_start(initial: Texels, predicted: Pixels, observed: Pixels, weights: Pixels) -> Texels:
    """A start map, times the factor per channel that gives the pictures their level.

    The level is the fourth power of the mean fourth root: noise hardly moves it, and a few lamps do
    not make it brighter than the room. A channel that noise drives to 0 is brought back to a small
    share of the others.

    Args:
        initial: the start map.
        predicted: the pictures by it.
        observed: the pictures.
        weights: of their pixels.
    """
    light, found = (
        np.sum(elementwise(_rooted, weights, pixels), axis=0) ** 4
        for pixels in (observed, predicted)
    )
    least = LEAST_SHARE * np.sum(light) / max(float(np.sum(found)), 1e-30)
    scale = np.maximum(light / np.maximum(found, 1e-30), least)
    scaled = initial * scale.astype(np.float32)
    # A texel at 0 could not grow by factors.
    return as_columns(np.where(initial > 0, scaled, np.float32(FLOOR)))


def _rooted(weights: Pixels, pixels: Pixels) -> Pixels:
    """Weighted fourth roots."""
    rooted: Pixels = weights * np.sqrt(np.sqrt(np.maximum(pixels, 0)))
    return rooted


def least_values(texels: Texels, resolution: tuple[int, int], has_priors: bool) -> Texels:
    """The least values of texels: a share of their surroundings' light, or 0 without priors.

    Beside lamps noise would drive texels to 0, which no room has.
    """
    if not has_priors:
        return np.zeros_like(texels)
    width, height = resolution
    logs = np.log(np.maximum(texels, np.float32(1e-4))).reshape(height, width, 3)
    around = np.exp(latlong.blur(logs, AROUND)).reshape(-1, 3)
    return as_columns(DARKEST * around)
