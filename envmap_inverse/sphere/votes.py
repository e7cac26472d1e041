"""Circles for which the edges of a picture vote (Hough transform with gradient directions)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["voted"]

Array = NDArray[Any]

MAX_EDGES = 4000
"""Pixels that vote."""

MIN_RADIUS, SIZE_RATIO = 5.0, 1.5
"""Smallest radius in pixels, and from one range of radii to the next."""

LARGEST = 0.62
"""Radius over the longer side of the picture."""

NUM_OF_SIZE = 10
"""Candidates of each range of radii."""

FAINT, LEAST = 0.15, 0.01
"""Slopes that are steeper count no more: an outline is an edge all round, a lamp in part. Slopes
that are less steep do not vote."""


def voted(tensor: Array) -> list[tuple[float, float, float]]:
    """The circles of each size with most votes.

    Args:
        tensor: squares of slopes across and down, and their product between them, (3, h, w).

    Returns:
        x, y and radius of each in pixels.
    """
    from scipy import ndimage  # noqa: PLC0415 - takes a while to load

    height, width = tensor.shape[1:]
    radii = np.arange(MIN_RADIUS, LARGEST * max(height, width))
    if not len(radii):
        return []
    votes = _votes(tensor, radii)
    votes = ndimage.gaussian_filter(votes, (0.7, 1, 1))
    peaks = np.flatnonzero((votes > 0) & (votes == ndimage.maximum_filter(votes, 5)))
    counts = votes.ravel()[peaks]
    numbers, y, x = np.unravel_index(peaks, votes.shape)
    sizes = np.floor(np.log(radii / MIN_RADIUS) / np.log(SIZE_RATIO) + 1e-9)[numbers]
    found: list[tuple[float, float, float]] = []
    for size in np.unique(sizes):
        (of_size,) = np.nonzero(sizes == size)
        most = of_size[np.argsort(-counts[of_size])[:NUM_OF_SIZE]]
        circles = np.stack([x[most] + 0.5, y[most] + 0.5, radii[numbers[most]]], axis=1)
        found.extend(map(tuple, circles.tolist()))
    return found


def _votes(tensor: Array, radii: Array) -> Array:
    """Votes for centres at each radius, on either side of an edge: (radii, h, w)."""
    from scipy import ndimage  # noqa: PLC0415 - takes a while to load

    across, mixed, down = tensor
    steepest = (across + down) / 2 + np.hypot((across - down) / 2, mixed)
    steepness = np.sqrt(steepest)
    ridge = steepness >= 0.95 * ndimage.maximum_filter(steepness, 3)
    order = np.argsort(np.where(ridge, -steepness, 0), axis=None)[:MAX_EDGES]
    order = order[(ridge & (steepness > LEAST)).ravel()[order]]
    y, x = np.unravel_index(order, steepness.shape)
    direction = np.arctan2(2 * mixed, across - down).ravel()[order] / 2
    right, below = np.cos(direction), np.sin(direction)
    weight = np.minimum(steepness.ravel()[order], FAINT)
    height, width = steepness.shape
    votes = np.zeros((len(radii), height, width), np.float32)
    for number, radius in enumerate(radii):
        for side in (-radius, radius):
            column, row = np.rint(x + side * right), np.rint(y + side * below)
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            place = (row * width + column)[inside].astype(np.intp)
            counted = np.bincount(place, weight[inside], height * width)
            votes[number] += counted.reshape(height, width)
    return votes
