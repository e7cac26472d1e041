"""Pixels that no map explains together with the others: hands, dust, a lamp that it lacks."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable

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

Channel = NDArray[np.floating]
"""Shape (h, w)."""


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

    sizes = _largest(_size, missing, deviation)
    far, near = (FAR, NEAR) if before.any() else (FIRST_FAR, FIRST_NEAR)
    if not (sizes > far).any():
        return np.zeros(sizes.shape, bool)
    distance = _largest(_distance, missing, deviation, predicted)
    parts, number = ndimage.label(distance > near, np.ones((3, 3)))
    is_far = np.zeros(number + 1, bool)
    is_far[parts[distance > far]] = True
    found = is_far[parts] | (before & (sizes > STILL_FAR))
    del distance, parts
    shares = [
        ndimage.uniform_filter(part.astype(np.float32), WINDOW, mode="constant")
        for part in (found, np.ones_like(found))
    ]
    share = shares[0] / shares[1]
    patch = (share > CROWDED) | ((share > SOME) & (sizes > near))
    return np.asarray((found | patch) & np.isfinite(deviation).any(axis=2))


def _largest(function: Callable[..., Channel], *images: Pixels) -> Channel:
    """The largest of a function's results for the channels, one at a time."""
    channels = zip(*(np.moveaxis(image, 2, 0) for image in images), strict=True)
    return functools.reduce(np.maximum, itertools.starmap(function, channels))


def _size(missing: Channel, deviation: Channel) -> Channel:
    """Size of what is missing, in standard deviations."""
    return np.asarray(np.abs(missing) / deviation)


def _distance(missing: Channel, deviation: Channel, predicted: Channel) -> Channel:
    """How far values lie beyond all predictions round them, in standard deviations."""
    from scipy import ndimage  # noqa: PLC0415 - takes a while to load

    counts = np.isfinite(deviation)
    low = ndimage.minimum_filter(np.where(counts, predicted, np.inf), 3)
    high = ndimage.maximum_filter(np.where(counts, predicted, -np.inf), 3)
    observed = predicted + missing
    return _size(np.where(counts, observed - np.clip(observed, low, high), 0), deviation)
