"""Response curves near sRGB's, by their contrast. NumPy only.

The logarithm of the exposure X that gives a value z of the range 0 to 1 is

    g(z) = integral of exp(s(z)) d log srgb_to_linear(z),    g(1/2) = 0,

so that every s gives a rising curve, and s = 0 gives sRGB's. The log contrast s is linear between
knots. Adding a constant to it raises X to a power.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.images.colour import srgb_to_linear

__all__ = ["NUM_KNOTS", "ContrastCurve", "prior_covariance"]

Array = NDArray[np.float64]

NUM_KNOTS = 9
POWER = 0.15
"""Standard deviation of the log exponent of the power by which cameras differ from sRGB."""

CONTRAST, ENDS = 0.4, (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.5, 2.0)
"""Standard deviation of the log contrast, and its factors at the knots: cameras roll
highlights off."""

REACH = 0.2
"""Difference of values over which contrast is alike."""

ALIKE = 0.006
"""Variance of the shape of one of several curves about their mean, over that of a curve. Curves of
pictures are known only up to a common one, unless they are as alike as they can be; the power they
share, as it is the one that exposures tell."""

SIZE = 1024
_VALUES = np.arange(1, SIZE + 1) / SIZE
_MIDDLE = SIZE // 2 - 1
_LOG_SRGB = np.log(srgb_to_linear(_VALUES))
_HATS = np.maximum(0, 1 - abs(_VALUES[:, None] * (NUM_KNOTS - 1) - np.arange(NUM_KNOTS)))


class ContrastCurve:
    """A response curve; between 1024 values it is straight in the log exposure."""

    def __init__(self, contrast: ArrayLike) -> None:
        """Make the curve of the log contrasts s at the knots."""
        gain = np.exp(_HATS @ np.asarray(contrast, np.float64))[:, None]
        self.logs = _integrals(gain)[:, 0]
        self._by_contrast = _integrals(_HATS * gain)
        self._slope = 1 / (SIZE * np.diff(self.logs))

    def values(self, logs: Array) -> Array:
        """Values of log exposures; beyond the ends the curve goes on straight."""
        low = self._cell(logs)
        return np.asarray(_VALUES[low] + (logs - self.logs[low]) * self._slope[low])

    def derivatives(self, logs: Array) -> tuple[Array, Array]:
        """Derivatives of `values` by the log exposure, (n,), and by the contrasts, (n, knots)."""
        low = self._cell(logs)
        slope = self._slope[low]
        part = (SIZE * (logs - self.logs[low]) * slope)[:, None]
        change = self._by_contrast[low] * (1 - part) + self._by_contrast[low + 1] * part
        return slope, -slope[:, None] * change

    def _cell(self, logs: Array) -> NDArray[np.intp]:
        return np.clip(np.searchsorted(self.logs, logs) - 1, 0, SIZE - 2)

    def log_exposures(self, values: ArrayLike) -> Array:
        """The inverse of `values`."""
        return np.asarray(np.interp(np.asarray(values, np.float64), _VALUES, self.logs))

    def linear(self, values: ArrayLike) -> Array:
        """Exposures of values, 1 at 1; below 1/1024 in proportion to the value."""
        values = np.asarray(values, np.float64)
        darkest = np.minimum(values * SIZE, 1)
        return np.asarray(darkest * np.exp(self.log_exposures(values) - self.logs[-1]))


def prior_covariance(num_curves: int) -> Array:
    """Covariance of the contrasts of several curves that are alike, one after the other."""
    if num_curves == 0:
        return np.zeros((0, 0))
    knots = np.arange(NUM_KNOTS) / (NUM_KNOTS - 1)
    scale = CONTRAST * np.array(ENDS)
    shape = np.exp(-(((knots[:, None] - knots) / REACH) ** 2) / 2) * np.outer(scale, scale)
    shape += 1e-4 * np.eye(NUM_KNOTS)
    apart = ALIKE * np.eye(num_curves) if num_curves > 1 else np.zeros((1, 1))
    shared = np.ones((num_curves, num_curves))
    return np.asarray(np.kron(shared, POWER**2 + shape) + np.kron(apart, shape))


def _integrals(functions: Array) -> Array:
    """Integrals over the log of sRGB's linear values, from the middle; shape (SIZE, n)."""
    steps = np.diff(_LOG_SRGB)[:, None] * (functions[1:] + functions[:-1]) / 2
    sums = np.concatenate([np.zeros_like(functions[:1]), np.cumsum(steps, axis=0)])
    return np.asarray(sums - sums[_MIDDLE])
