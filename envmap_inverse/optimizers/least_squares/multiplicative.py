"""Multiplicative steps, which reach a high dynamic range fast."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.optimizers.least_squares.pictures import Pictures, Pixels
from envmap_inverse.recording.light_transport import LightTransport

__all__ = ["MOST_FACTOR", "factors"]

LEAST_FACTOR, MOST_FACTOR = 0.05, 20.0
"""By which a step may change a texel; one that takes a texel that far is not the last, as few of
the pixels that would say so show lamps."""


def factors(
    transport: LightTransport,
    pictures: Pictures,
    weights: Pixels,
    predicted: Pixels,
    noise_floor: float,
) -> NDArray[Any]:
    """The factors of the step x <- x T'(w b) / T'(w T x), shape (H * W, 3).

    With w = 1 / (T x), as where there is no noise, it is Richardson's and Lucy's.

    Args:
        transport: the recording.
        pictures: b.
        weights: of the pixels.
        predicted: T x.
        noise_floor: relative noise below which noise does not count.
    """
    light = np.maximum(predicted, np.float32(1e-4))
    noise = pictures.noise(predicted) / np.float32(noise_floor**2)
    weights = weights / light / (1 + noise / light**2) * pictures.pulls(predicted)
    wanted = transport.rmatvec(weights * pictures.target(predicted))
    found = transport.rmatvec(weights * light)
    ratios: NDArray[Any] = np.clip(
        wanted / np.maximum(found, np.float32(1e-12)), LEAST_FACTOR, MOST_FACTOR
    )
    return ratios
