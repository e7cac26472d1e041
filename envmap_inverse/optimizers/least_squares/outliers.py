"""Pixels that no map explains together with the others: hands, dust, a lamp that it lacks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["outlying"]

FIRST_FAR, FIRST_NEAR = 6.0, 3.0
FAR, NEAR, STILL_FAR = 4.0, 2.0, 3.0
"""Standard deviations from which a pixel is an outlier: alone; beside one; if it was one before.

The first ones have to be clear: few samples leave highlights that look like outliers."""

WINDOW = 7
"""Pixels on a side of the surroundings in which outliers are counted."""

CROWDED, SOME = 0.3, 0.08
"""Shares of outliers in the surroundings from which a pixel is one: in any case; if it is near.

A map bends to a part of what covers an object, and the rest gives the whole away."""

Pixels = NDArray[np.floating]
"""Shape (h, w, 3)."""


def outlying(
    predicted: Pixels,
    missing: Pixels,
    deviation: Pixels,
    before: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Find the outliers of a picture.

    A pixel is far from its prediction only if it lies beyond what the map predicts for all its
    neighbours: mirrors show edges that no recording places better than that.

    Args:
        predicted: radiance by a map.
        missing: the picture's radiance less that.
        deviation: standard deviation to be expected of the difference, infinite where a value does
            not count.
        before: which pixels were left out when the map was solved for, shape (h, w).

    Returns:
        Which pixels are outliers, shape (h, w).
    """
    from scipy import ndimage  # noqa: PLC0415 - takes a while to load

    counts = np.isfinite(deviation)
    sizes = np.max(np.abs(missing) / deviation, axis=2)
    far, near = (FAR, NEAR) if before.any() else (FIRST_FAR, FIRST_NEAR)
    if not (sizes > far).any():
        return np.zeros(sizes.shape, bool)
    size = (3, 3, 1)
    low = ndimage.minimum_filter(np.where(counts, predicted, np.inf), size)
    high = ndimage.maximum_filter(np.where(counts, predicted, -np.inf), size)
    observed = predicted + missing
    beyond = np.where(counts, observed - np.clip(observed, low, high), 0)
    distance = np.max(np.abs(beyond) / deviation, axis=2)
    parts, _ = ndimage.label(distance > near, np.ones((3, 3)))
    is_far = np.isin(parts, np.unique(parts[distance > far])) & (parts > 0)
    found = is_far | (before & (sizes > STILL_FAR))
    shares = [
        ndimage.uniform_filter(part.astype(np.float32), WINDOW, mode="constant")
        for part in (found, np.ones_like(found))
    ]
    share = shares[0] / shares[1]
    patch = (share > CROWDED) | ((share > SOME) & (sizes > near))
    return np.asarray((found | patch) & counts.any(axis=2))
