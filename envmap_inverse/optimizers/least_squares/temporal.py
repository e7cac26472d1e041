"""How the maps of successive frames are tied, and where the pictures have changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.priors import Quadratic, Tikhonov, Weight

__all__ = ["LEAST_GAIN", "Changes", "Temporal", "gain_of"]

LEAST_GAIN = 0.2
"""Share that a new frame has in a map where nothing changes."""

CERTAIN = 4.0
"""A square of a change, over the variance of noise, up to which it may be noise."""

FLOOR = 0.003
"""Deviation of a pixel, as a share of its light, however little noise there is."""

DARK = 0.01
"""Share of the pictures' mean below which light counts as so bright for that."""

STRONG, SURE = 1.5, 25.0
"""A factor of a pixel's light that no small step of the map gives, and the square of that change
over the variance of noise from which it is none."""

MEDIAN = 0.455
"""Of the squares of standard normal numbers."""

Pixels = NDArray[Any]
"""Shape (pixels of all views, 3)."""


@dataclass(frozen=True, kw_only=True)
class Temporal:
    """Ties the map of each frame to that of the frame before, by relative differences.

    Mean over the sphere and the channels of weight (x - last)^2 / max(x, last)^2. The maximum is
    the larger of the means over the channels; it has no gradient.

    With "auto" the weight follows from the pictures, texel by texel, as in a Kalman filter that
    takes its process noise from the innovations (Mehra 1970): the n-th frame since a change counts
    for 1 / n beside those before it, and for a fifth at least; where the pictures change by q
    times the variance that noise gives them, it counts for 1 - 4 / q.

    Attributes:
        weight: how much it counts beside the loss, or "auto".

    Example:
        >>> twice = np.full((8, 16, 3), 2.0)
        >>> round(ei.Temporal(weight=1.0).energy(twice, twice / 2), 6)
        0.25
    """

    weight: Weight = "auto"

    def __post_init__(self) -> None:
        """Check the number."""
        self._tie()

    def energy(self, texels: ArrayLike, last: ArrayLike) -> float:
        """Energy of a map, by the formula above; the weight must be a number.

        Args:
            texels: the map, shape (H, W, 3).
            last: the map of the frame before, of the same shape.
        """
        return self._tie().energy(texels, last)

    def quadratic(self, texels: NDArray[np.float32], last: NDArray[np.float32]) -> Quadratic:
        """The quadratic form with the same gradient at a map; see `Prior`."""
        return self._tie().quadratic(texels, last)

    def _tie(self) -> Tikhonov:
        return Tikhonov(weight=self.weight)


def gain_of(excess: NDArray[Any]) -> NDArray[Any]:
    """Share that a new frame has in an estimate, from LEAST_GAIN to 1.

    Args:
        excess: squares of the changes over the variance that noise gives them.
    """
    gain: NDArray[Any] = np.maximum(LEAST_GAIN, 1 - CERTAIN / np.maximum(excess, CERTAIN))
    return gain


class Changes:
    """Compares each frame with the running mean of those before it, pixel by pixel.

    The noise of the pictures is lowered as far as most pixels show that it is less: detail looks
    like noise in a single picture.

    Attributes:
        excess: squares of the changes over the variance of noise, shape (pixels, 3).
        is_strong: which pixels have changed by a large factor, shape (pixels, 3).
    """

    def __init__(self, observed: Pixels) -> None:
        """Start with the first frame, in units of its mean."""
        self._mean, self._level = observed, 1.0
        self.excess: Pixels = np.zeros_like(observed)
        self.is_strong: Pixels = np.zeros(observed.shape, bool)

    def add(self, observed: Pixels, noise: Pixels, counts: Pixels) -> None:
        """Compare the next frame.

        Args:
            observed: its light.
            noise: variance of that.
            counts: which values count.
        """
        light, before = (np.maximum(array, np.float32(DARK)) for array in (observed, self._mean))
        of_mean = LEAST_GAIN / (2 - LEAST_GAIN)
        variance = np.float32(1 + of_mean) * (noise + (np.float32(FLOOR) * before) ** 2)
        change = observed - self._mean
        excess = np.where(counts, change**2 / variance, np.float32(0))
        usual = float(np.median(excess[::7])) / MEDIAN
        self._level = float(np.clip(usual, 1e-3, self._level))
        excess /= np.float32(self._level)
        factor = np.maximum(light, before) / np.minimum(light, before)
        self.excess, self.is_strong = excess, (excess > SURE) & (factor > STRONG)
        self._mean = self._mean + gain_of(excess) * change

    def state(self) -> Mapping[str, NDArray[Any]]:
        """The arrays from which it goes on."""
        return {"mean": self._mean, "level": np.array(self._level)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a `state`."""
        self._mean, self._level = state["mean"], float(state["level"])
