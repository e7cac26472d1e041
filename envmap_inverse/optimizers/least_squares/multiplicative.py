"""Multiplicative steps, which reach a high dynamic range fast."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.optimizers.least_squares.pictures import Pictures, Pixels
from envmap_inverse.recording.blocks import elementwise
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
    floor = np.float32(noise_floor**2)

    def of_rows(predicted: Pixels, noise: Pixels, weights: Pixels, pulls: Pixels) -> Pixels:
        light = _positive(predicted)
        found: Pixels = weights / light / (1 + noise / floor / light**2) * pulls
        return found

    noise = pictures.noise(predicted)
    parts = predicted, noise, weights, pictures.pulls(predicted)
    weights = elementwise(of_rows, *parts, into=noise)
    wanted = transport.rmatvec(elementwise(np.multiply, weights, pictures.target(predicted)))
    found = transport.rmatvec(
        elementwise(lambda w, p: w * _positive(p), weights, predicted, into=weights)
    )
    ratios: NDArray[Any] = np.clip(wanted / np.maximum(found, np.float32(1e-12)), *FACTORS)
    return ratios


def _positive(predicted: Pixels) -> Pixels:
    """Predicted light, above 0."""
    light: Pixels = np.maximum(predicted, np.float32(1e-4))
    return light
