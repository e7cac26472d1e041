"""The classical way from a bracket to radiance, to compare with.

Debevec and Malik (1997), "Recovering high dynamic range radiance maps from photographs": a curve of
256 values per channel by linear least squares with a smoothness term, from known exposures, and the
mean of the logarithms with weights that fall to black and white.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["merge"]

NUM_SAMPLES = 150
SMOOTHNESS = 50.0

Bytes = NDArray[np.uint8]
Array = NDArray[np.float64]

_HAT = np.minimum(np.arange(256), 255 - np.arange(256)).astype(float)


def merge(pictures: Sequence[Bytes], exposures: Array, inside: NDArray[np.bool_]) -> Array:
    """Merge a bracket.

    Args:
        pictures: stored values, each of shape (h, w, 3).
        exposures: of each.
        inside: the pixels to sample for the curve, shape (h, w).

    Returns:
        Radiance times a factor per channel that makes grey of a value of 128, shape (h, w, 3).
    """
    stack, logs = np.stack(pictures), np.log(exposures)
    places = np.random.default_rng(0).choice(np.flatnonzero(inside), NUM_SAMPLES)
    planes = []
    for channel in range(3):
        values = stack[..., channel]
        curve = _curve(values.reshape(len(stack), -1)[:, places].T, logs)
        weights = _HAT[values]
        light = np.sum(weights * (curve[values] - logs[:, None, None]), axis=0)
        shortest, longest = np.argmin(logs), np.argmax(logs)
        everywhere_white = values[shortest] > 128
        ends = np.where(
            everywhere_white,
            curve[values[shortest]] - logs[shortest],
            curve[values[longest]] - logs[longest],
        )
        total = weights.sum(axis=0)
        planes.append(np.exp(np.where(total > 0, light / np.maximum(total, 1), ends)))
    return np.stack(planes, axis=-1)


def _curve(values: NDArray[np.intp], logs: Array) -> Array:
    """Log exposures of the 256 values, 0 at 128; `values` has shape (samples, pictures)."""
    count, number = values.shape
    rows, columns = np.divmod(np.arange(count * number), number)
    flat, weights = values.ravel(), _HAT[values.ravel()]
    matrix = np.zeros((flat.size + 255, 256 + count))
    right = np.zeros(len(matrix))
    at = np.arange(flat.size)
    matrix[at, flat] = weights
    matrix[at, 256 + rows] = -weights
    right[at] = weights * logs[columns]
    matrix[flat.size, 128] = 1
    inner = np.arange(1, 255)
    for offset, factor in ((-1, 1), (0, -2), (1, 1)):
        matrix[flat.size + inner, inner + offset] = factor * np.sqrt(SMOOTHNESS) * _HAT[inner]
    return np.asarray(np.linalg.lstsq(matrix, right, rcond=None)[0][:256])
