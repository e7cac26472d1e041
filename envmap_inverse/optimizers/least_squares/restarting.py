"""Solve anew for a part of the map, by the pixels that see it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.recording.light_transport import LightTransport

__all__ = ["restarted"]

STEPS = 8

SEES = 0.01
"""Sum of a pixel's row over a part of the map from which the pixel takes part."""

FACTORS = 0.01, 100.0
"""By which a step may change a texel."""

DARKEST = 1e-4

Texels = NDArray[Any]
Pixels = NDArray[Any]


def restarted(
    transport: LightTransport,
    texels: Texels,
    part: NDArray[np.bool_],
    *,
    start: Texels,
    predicted: Pixels,
    target: Pixels,
    weights: Pixels,
) -> Texels:
    """Solve for some texels by multiplicative steps (Richardson 1972, Lucy 1974).

    Light that comes or goes changes them by factors, which steps of least squares reach slowly.

    Args:
        transport: the recording, on the processor.
        texels: the map, shape (H * W, 3).
        part: which texels, shape (H * W,).
        start: no texel starts brighter, shape (H * W, 3).
        predicted: the pictures by the map, shape (pixels, 3).
        target: the pictures.
        weights: of the pixels.

    Returns:
        The map with these texels replaced.
    """
    columns = np.flatnonzero(part)
    rows_of_pixels = transport.rows
    found = texels.copy(order="F")
    for channel, matrix in enumerate(transport.channels):
        sees = matrix @ part.astype(np.float32) > SEES
        pixels = np.flatnonzero((rows_of_pixels >= 0) & sees[rows_of_pixels])
        small = matrix[rows_of_pixels[pixels]][:, columns]
        back = small.T.tocsr()
        light = found[columns, channel]
        rest = np.maximum(predicted[pixels, channel] - small @ light, 0)
        wanted = np.maximum(target[pixels, channel], 0)
        of_pixel = weights[pixels, channel]
        light = np.minimum(light, start[columns, channel])
        for _ in range(STEPS):
            expected = np.maximum(rest + small @ light, np.float32(DARKEST))
            share = (back @ (of_pixel * wanted / expected)) / np.maximum(
                back @ of_pixel, np.float32(1e-12)
            )
            light = light * np.clip(share, *FACTORS)
        found[columns, channel] = light
    return found
