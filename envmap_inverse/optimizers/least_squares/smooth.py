"""Smooth changes of a map: what conjugate gradients hardly move."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.problem.reduced import ReducedTransport, precision_of, some_breadths
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.system.arrays import as_columns, like

__all__ = ["is_blurred", "smooth_factor"]

DEGREE = 8
"""Of the harmonics, about 22 degrees."""

MAX_PIXELS = 2048
"""Neighbouring pixels are taken together until so many are left."""

MANY_PARTS, LEAST_BLURRED = 6.0, 0.1
"""Parts of the sphere from which a pixel sees blurred light, and the least share of such pixels."""

NUM_PIXELS = 4096
"""Pixels that show whether light is blurred."""

OUTLYING = 3.0
"""Standard deviations from which a pixel pulls no harder (Huber 1964)."""

DARK = 1e-3
"""Share of the pictures' mean radiance below which texels count as so bright."""


def is_blurred(transport: LightTransport) -> bool:
    """Whether a part of the pixels sees much of the sphere, so that smooth changes matter."""
    if transport.spp < MANY_PARTS:
        return False
    return bool(np.mean(some_breadths(transport, NUM_PIXELS) > MANY_PARTS) > LEAST_BLURRED)


def smooth_factor(
    transport: LightTransport,
    texels: NDArray[Any],
    missing: NDArray[Any],
    variance: NDArray[Any],
) -> NDArray[np.float32]:
    """The smooth factor by which a map comes nearest to the pictures.

    Objects that blur light hardly tell one side of the sphere from another, so that gradients of
    the pictures' misfit are small along such changes; among few of them the best is found directly,
    with natural light (see `natural_light`) as prior.

    Args:
        transport: the recording.
        texels: the map, shape (H * W, 3).
        missing: the pictures less the map's, shape (pixels, 3).
        variance: to be expected of that, infinite where it does not count.

    Returns:
        Shape (H * W, 3).
    """
    light = np.maximum(texels, np.float32(DARK))
    variance = variance * np.maximum(1, missing**2 / (OUTLYING**2 * variance))
    precision = precision_of(transport, light, variance)
    reduced = ReducedTransport(
        transport, light, precision, degree=DEGREE, max_pixels=MAX_PIXELS, is_rough=True
    )
    still = like(np.zeros((reduced.size, 1)), texels)
    change = reduced.nearest(still, reduced.means(missing))
    return as_columns(np.exp(reduced.waves.logs(change)[:, :, 0]))
