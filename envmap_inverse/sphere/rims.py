"""Fit the outline of a mirror ball to where its texture ends. NumPy and SciPy only.

Where the light is far away, a mirror's rim shows what is right behind the ball, so that there is
hardly an edge. But what it shows is pressed together towards the rim: across it, the picture varies
more and more, and just outside no more than elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["fit_rim"]

Array = NDArray[Any]

STEPS = np.arange(-4.0, 5.01, 0.25)
"""Pixels from the outline at which the picture is looked at."""

INSIDE, OUTSIDE, EDGE = (-2.0, 0.25), (1.25, 3.5), (-0.75, 0.75)
DEEPER = -4.0, -1.25
"""Pixels from the outline between which its variation is compared."""

STEEP = 0.8
"""Slopes of the logarithm per pixel that are steeper count no more."""

MAX_EDGE = 1.6
"""Steepness of the outline, over that of the picture inside, up to which texture marks it."""

MIN_GAIN = 1.3
"""How much more the variation must drop across a wider circle for an edge to be a mirrored ring."""

STARTS, STARTS_SHARE = (-0.5, 0.5, 1.5), (0.04, 0.08, 0.12)
"""Pixels and shares of the radius by which the radius to begin with is wider: rings of what is
mirrored near the rim pass for the outline."""

MAX_MOVE = 0.2
"""Share of the radius that the outline may move."""


def fit_rim(logs: Sequence[Array], circle: Array) -> Array:
    """Move a circle to where the variation across it ends.

    Args:
        logs: logarithms of the pictures' channels, shape (h, w) each, not blurred.
        circle: x, y and radius in pixels.

    Returns:
        The same of the better circle; the given one where an edge marks the outline, unless the
        edge is a ring that is mirrored near the rim of a wider circle.
    """
    from scipy import optimize  # noqa: PLC0415 - takes a while to load

    if circle[2] < 2 - STEPS[0]:
        return circle
    steepness = _steepness(logs, circle)
    has_edge = _mean(steepness, EDGE) > MAX_EDGE * max(_mean(steepness, DEEPER), 1e-6)
    ends = []
    for wider in (*STARTS, *(share * circle[2] for share in STARTS_SHARE)):
        start = circle + np.array([0.0, 0.0, wider])
        simplex = start + np.vstack([np.zeros(3), 0.8 * np.eye(3)])
        options = {"initial_simplex": simplex, "maxiter": 80, "xatol": 0.02, "fatol": 1e-5}
        ends.append(
            optimize.minimize(
                lambda where: _excess(logs, where), start, method="Nelder-Mead", options=options
            )
        )
    least = min(ends, key=lambda end: end.fun)
    best = np.asarray(least.x)
    is_ring = best[2] > circle[2] - INSIDE[0] and least.fun < MIN_GAIN * _excess(logs, circle)
    if has_edge and not is_ring:
        return circle
    return best if abs(best - circle).max() <= MAX_MOVE * circle[2] else circle


def _excess(logs: Sequence[Array], circle: Array) -> float:
    """Variation across the circle outside it less that inside it."""
    steepness = _steepness(logs, circle)
    return _mean(steepness, OUTSIDE) - _mean(steepness, INSIDE)


def _mean(steepness: Array, limits: tuple[float, float]) -> float:
    between = (limits[0] <= STEPS) & (limits[1] >= STEPS)
    return float(steepness[between].mean())


def _steepness(logs: Sequence[Array], circle: Array) -> Array:
    """Mean slope across circles that are `STEPS` wider than one."""
    from scipy import ndimage  # noqa: PLC0415 - takes a while to load

    x, y, radius = circle
    count = int(np.clip(2 * np.pi * radius, 90, 720))
    angle = 2 * np.pi * (np.arange(count)[:, None] + 0.5) / count
    columns = x + np.cos(angle) * (radius + STEPS) - 0.5
    rows = y + np.sin(angle) * (radius + STEPS) - 0.5
    squares = np.zeros(columns.shape)
    for log in logs:
        values = ndimage.map_coordinates(log, [rows, columns], order=1, mode="nearest")
        squares += np.gradient(values, STEPS, axis=1) ** 2
    height, width = logs[0].shape
    is_in = (columns > 0) & (rows > 0) & (columns < width - 1) & (rows < height - 1)
    return np.asarray(
        np.sum(np.minimum(np.sqrt(squares), STEEP) * is_in, axis=0)
        / np.maximum(is_in.sum(axis=0), 1)
    )
