"""The classical way from a bracket to radiance, to compare with.

Debevec and Malik (1997), "Recovering high dynamic range radiance maps from photographs": a curve of
256 values per channel by linear least squares with a smoothness term, from known exposures, and the
mean of the logarithms with weights that fall to black and white.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["curves", "merge"]

NUM_SAMPLES = 150
SMOOTHNESS = 50.0

Bytes = NDArray[np.uint8]
Array = NDArray[np.float64]

_HAT = np.minimum(np.arange(256), 255 - np.arange(256)).astype(float)


def curves(pictures: Sequence[Bytes], exposures: Array, inside: NDArray[np.bool_]) -> Array:
    """Log exposures of the 256 values of each channel, 0 at 128; shape (3, 256).

    Args:
        pictures: stored values, each of shape (h, w, 3).
        exposures: of each.
        inside: the pixels to sample, shape (h, w).
    """
    places = np.random.default_rng(0).choice(np.flatnonzero(inside), NUM_SAMPLES)
    values = np.stack(pictures).reshape(len(pictures), -1, 3)[:, places]
    return np.stack([_curve(values[..., channel].T, np.log(exposures)) for channel in range(3)])


def merge(pictures: Sequence[Bytes], exposures: Array, logs: Array) -> Array:
    """Merge a bracket.

    Args:
        pictures: stored values, each of shape (h, w, 3).
        exposures: of each.
        logs: log exposure of each value, shape (pictures, 3, 256).

    Returns:
        Radiance, shape (h, w, 3).
    """
    stack = np.stack(pictures)
    light = np.stack(
        [
            np.stack(
                [logs[picture, channel][values[..., channel]] for channel in range(3)], axis=-1
            )
            - np.log(exposures[picture])
            for picture, values in enumerate(stack)
        ]
    )
    weights = _HAT[stack]
    total = weights.sum(axis=0)
    shortest, longest = np.argmin(exposures), np.argmax(exposures)
    ends = np.where(stack[shortest] > 128, light[shortest], light[longest])
    means = np.sum(weights * light, axis=0) / np.maximum(total, 1)
    return np.exp(np.where(total > 0, means, ends))


def _curve(values: NDArray[np.integer], logs: Array) -> Array:
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
        matrix[flat.size + inner, inner + offset] = SMOOTHNESS * factor * _HAT[inner]
    return np.asarray(np.linalg.lstsq(matrix, right, rcond=None)[0][:256])
