"""Solve anew for a part of the map, by the pixels that see it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from envmap_inverse.natural_light import filled
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.sphere import latlong
from envmap_inverse.system.arrays import constants

__all__ = ["restarted", "widened"]

STEPS = 8

SEES = 0.01
"""Sum of a pixel's row over a part of the map from which the pixel takes part."""

FACTORS = 0.01, 100.0
"""By which a step may change a texel."""

OWN = 0.2
"""Share of a texel's own factor in the smooth one; the others are those of its neighbours."""

LEAST = 0.6
"""Least share of that start that a texel has: beside a lamp, others would turn black."""

LEAST_SEEN = 0.3
"""Share of the usual coverage from which texels are left to their pixels alone."""

DARKEST = 1e-4

Texels = NDArray[Any]
Pixels = NDArray[Any]
Part = NDArray[np.bool_]


def widened(part: Part, resolution: tuple[int, int]) -> Part:
    """A part of a map, shape (H * W,), with all neighbours of its texels."""
    if not part.any():
        return part
    first, second = _neighbours(resolution, part)
    wide = part.copy()
    wide[first[part[second]]] = True
    wide[second[part[first]]] = True
    return wide


def restarted(
    transport: LightTransport,
    texels: Texels,
    part: Part,
    *,
    predicted: Pixels,
    target: Pixels,
    weights: Pixels,
    usual: NDArray[Any],
) -> Texels:
    """Solve for some texels by multiplicative steps (Richardson 1972, Lucy 1974).

    Light that comes or goes changes them by factors, which steps of least squares reach slowly.
    They start as smooth as their surroundings leave them, and the factors are smoothed a little
    (Silverman et al. 1990), so that pixels that are larger than texels leave no specks. What texels
    lack of coverage holds them to the start, as a gamma prior (Lange, Bahn and Little 1987): else
    those of which a sun's pixels see a trace would take its factor, and be specks far from it.

    Args:
        transport: the recording, on the processor.
        texels: the map, shape (H * W, 3).
        part: which texels, shape (H * W,).
        predicted: the pictures by the map, shape (pixels, 3).
        target: the pictures.
        weights: of the pixels, shape (pixels,).
        usual: coverage by these weights of a usual texel, in each channel.

    Returns:
        The map with these texels replaced.
    """
    width, height = transport.resolution
    columns, rows = np.flatnonzero(part), transport.rows
    logs = np.log(np.maximum(texels, np.float32(DARKEST))).reshape(height, width, 3)
    start = np.exp(filled(logs, np.zeros_like(logs), ~part.reshape(height, width)))
    smoothing = _smoothing(part, transport.resolution)
    found = texels.copy(order="F")
    for channel, matrix in enumerate(transport.channels):
        sees = matrix @ part.astype(np.float32) > SEES
        pixels = np.flatnonzero((rows >= 0) & sees[rows])
        small = matrix[rows[pixels]][:, columns]
        back = small.T.tocsr()
        rest = np.maximum(predicted[pixels, channel] - small @ found[columns, channel], 0)
        wanted, of_pixel = np.maximum(target[pixels, channel], 0), weights[pixels]
        seen = np.maximum(back @ of_pixel, np.float32(1e-12))
        lacking = np.maximum(np.float32(LEAST_SEEN * usual[channel]) - seen, 0)
        light = smooth = start.reshape(-1, 3)[columns, channel]
        for _ in range(STEPS):
            expected = np.maximum(rest + small @ light, np.float32(DARKEST))
            factors = back @ (of_pixel * wanted / expected) + lacking * smooth / light
            factors = np.clip(factors / (seen + lacking), *FACTORS)
            light = np.maximum(light * np.exp(smoothing @ np.log(factors)), LEAST * smooth)
        found[columns, channel] = light
    return found


def _neighbours(resolution: tuple[int, int], part: Part) -> tuple[NDArray[Any], NDArray[Any]]:
    """Pairs of neighbouring texels of which one is in a part of the map."""
    width, height = resolution
    first, second, _ = constants(latlong.sphere_edges, height, width, beside=part)
    touches = part[first] | part[second]
    return first[touches], second[touches]


def _smoothing(part: Part, resolution: tuple[int, int]) -> Any:
    """The matrix of means of texels of a part with their neighbours in it."""
    first, second = _neighbours(resolution, part)
    within = part[first] & part[second]
    number = np.cumsum(part) - 1
    ends = number[first[within]], number[second[within]]
    size = int(number[-1]) + 1
    ones = np.ones(len(ends[0]), np.float32)
    around = sparse.csr_matrix((ones, ends), (size, size))
    around = around + around.T
    count = np.asarray(around.sum(axis=1)).ravel()
    own = np.where(count > 0, np.float32(OWN), np.float32(1))
    return sparse.diags(own) + sparse.diags((1 - own) / np.maximum(count, 1)) @ around
