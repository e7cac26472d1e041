"""How well views reveal the map, texel by texel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.problem.evidence import Evidence, deviation_of
from envmap_inverse.sphere.averages import weighted_mean, weighted_median
from envmap_inverse.sphere.latlong import texel_solid_angles

__all__ = ["Information"]

KNOWN = 0.6
"""Standard deviation of log radiance up to which a texel is seen: half of what it is beforehand,
even where the level of the light is known."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Information:
    """The parts of the map that views reveal, and how well.

    Attributes:
        log_deviation: standard deviation of the logarithm of each texel given the views, shape
            (H, W, 3); about 1.6 where nothing is known.
        deviation: that of each texel, in radiance, as `Estimate.deviation` has it, shape (H, W, 3).

    Example:
        >>> known = np.full((8, 16, 3), 0.5)
        >>> information = ei.Information(log_deviation=known, deviation=known)
        >>> round(information.seen_share, 6), information.median_deviation
        (1.0, 0.5)
    """

    log_deviation: NDArray[np.float32]
    deviation: NDArray[np.float32]

    @classmethod
    def of(cls, evidence: Evidence, texels: NDArray[np.float32]) -> Information:
        """What evidence tells of a map, shape (H, W, 3)."""
        mean, deviation = (part.reshape(texels.shape) for part in evidence.moments)
        return cls(log_deviation=deviation, deviation=deviation_of(texels, mean, deviation))

    def __repr__(self) -> str:
        """One line: how much is seen, and how well."""
        height, width, _ = self.log_deviation.shape
        return (
            f"<Information on a map of {width} x {height} texels: {self.seen_share:.0%} of the "
            f"sphere seen, with a median deviation of log radiance of {self.median_deviation:.2g}>"
        )

    @property
    def is_seen(self) -> NDArray[np.bool_]:
        """Whether the log radiance of a texel is known to 0.6 or better, shape (H, W).

        That is a factor of 1.8; light differs by one of 3.3 over a map. What an object blurs over
        the sphere is not seen, though the level of the light is known.
        """
        return np.asarray((self.log_deviation <= KNOWN).all(axis=2))

    @property
    def seen_share(self) -> float:
        """Share of the sphere that is seen."""
        return weighted_mean(self.is_seen, texel_solid_angles(*self.is_seen.shape))

    @property
    def median_deviation(self) -> float:
        """Median of `log_deviation` over the sphere."""
        weights = texel_solid_angles(*self.is_seen.shape)[:, :, None]
        return weighted_median(
            self.log_deviation, np.broadcast_to(weights, self.log_deviation.shape)
        )
