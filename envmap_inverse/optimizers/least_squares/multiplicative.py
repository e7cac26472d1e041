"""Multiplicative steps, which reach a high dynamic range fast."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.optimizers.least_squares.pictures import Pictures, Pixels
from envmap_inverse.recording.light_transport import LightTransport

__all__ = ["factors"]

FACTORS = 0.05, 1e4
"""By which a step may change a texel. Held-out pixels hardly show lamps, and may end the steps
after the first one: it should reach them."""


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
    ratios: NDArray[Any] = np.clip(wanted / np.maximum(found, np.float32(1e-12)), *FACTORS)
    return ratios
