"""What pictures tell of the map near a solution; what several tell adds up."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.problem.waves import Waves, hessian_of

__all__ = ["Evidence", "deviation_of"]

TEXEL = 0.35
"""Standard deviation of log radiance that is finer than the waves, for most texels."""

SHIFT, SHIFT_DEVIATION = -1.2, 0.45
"""Mean and standard deviation over maps of the mean log radiance, from the log of the mean."""

VARIANCE = 1.44
"""Of log radiance, over a map."""

Texels = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """What pictures tell of u, where the map is x0 exp(u) (see `Posterior`), on the linear model.

    Attributes:
        waves: what u is made of, but for finer detail.
        grams: what the pictures add to the precision of the coefficients of each channel, were it
            alone, shape (3, n, n).
        own: what they add to that of each texel's u if all others are known, shape (H * W, 3).
        together: the same if those round it are as unknown, shape (H * W, 3).
    """

    waves: Waves
    grams: NDArray[np.float64]
    own: Texels
    together: Texels

    def __add__(self, other: Evidence) -> Evidence:
        """What both tell, of the same map."""
        return Evidence(
            waves=self.waves,
            grams=self.grams + other.grams,
            own=self.own + other.own,
            together=self.together + other.together,
        )

    @functools.cached_property
    def _factor(self) -> NDArray[np.float64]:
        """Lower Cholesky factor of the coefficients' precision."""
        from scipy import linalg  # noqa: PLC0415 - takes a while to load

        return np.asarray(linalg.cholesky(hessian_of(self.grams), lower=True, overwrite_a=True))

    @property
    def bits(self) -> float:
        """By how much less is open than beforehand: half the log2 determinant of the precision.

        It is the information that pictures of this map are expected to bring (Lindley 1956).
        """
        return float(np.sum(np.log2(np.diag(self._factor))))

    @functools.cached_property
    def moments(self) -> tuple[Texels, Texels]:
        """Mean and standard deviation of u, shapes (H * W, 3).

        Where the pictures see only means of many texels, x0 is about that mean, and most texels are
        darker: lamps make up for them. There the mean of u is below 0.
        """
        variance = self.waves.variance(self._factor) + TEXEL**2 / (1 + TEXEL**2 * self.own)
        unresolved = np.minimum(variance / VARIANCE, 1)
        unresolved *= self.together / (self.together + 1 / VARIANCE)
        variance += (SHIFT_DEVIATION * unresolved) ** 2
        return np.float32(SHIFT) * unresolved, np.sqrt(variance, dtype=np.float32)


def deviation_of(texels: Texels, mean: Texels, deviation: Texels) -> Texels:
    """Standard deviation of x exp(u), from that of u, which is normal; any shape."""
    variance = deviation**2
    return np.asarray(texels * np.exp(mean + variance / 2) * np.sqrt(np.expm1(variance)))
