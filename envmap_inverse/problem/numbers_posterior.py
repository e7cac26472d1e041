"""How sure a map is that follows from few numbers."""

from __future__ import annotations

import functools
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.light_models.family import Family, texels_of, without_spots
from envmap_inverse.problem.posterior import NUM_SAMPLES, Posterior

__all__ = ["AnyPosterior", "NumbersPosterior"]

Array = NDArray[Any]


class NumbersPosterior:
    """Maps of normal numbers, and detail that they lack, as far as the pictures show some.

    Attributes:
        numbers: of light of mean radiance 1, shape (n,).
        covariance: shape (n, n).
        unit: radiance over that of such light.
        lacking: standard deviation of texels that the numbers lack, by channel, shape (3,).
    """

    def __init__(
        self,
        *,
        resolution: tuple[int, int],
        family: Family,
        numbers: Array,
        covariance: Array,
        unit: float,
        lacking: Array,
    ) -> None:
        """Take what is known of the numbers.

        Args:
            resolution: (width, height) of the map.
            family: makes maps of numbers.
            numbers: see the attributes, as the others.
            covariance: see there.
            unit: see there.
            lacking: in radiance; see there.
        """
        self._resolution, self._family = resolution, family
        self.numbers, self.covariance = numbers, covariance
        self.unit, self.lacking = unit, lacking

    @functools.cached_property
    def deviation(self) -> NDArray[np.float32]:
        """Standard deviation of each texel, in radiance, shape (H, W, 3)."""
        tangents = without_spots(self._family.tangents(self.numbers))
        variance = tangents.variance(self.covariance)
        return self._as_map(np.sqrt(self.unit**2 * variance + self.lacking**2))

    def interval(self, probability: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Radiance between which each texel lies with a probability, shapes (H, W, 3)."""
        reach = np.float32(NormalDist().inv_cdf((1 + probability) / 2)) * self.deviation
        texels = self._as_map(self.unit * texels_of(self._family, self.numbers))
        return np.maximum(texels - reach, np.minimum(texels, 0)), texels + reach

    def samples(self, count: int, seed: int) -> NDArray[np.float32]:
        """Maps that explain the pictures, drawn at random, shape (count, H, W, 3).

        Detail that the numbers lack is in none of them.
        """
        generator, family = np.random.default_rng(seed), self._family
        values, vectors = np.linalg.eigh(self.covariance)
        root = vectors * np.sqrt(np.maximum(values, 0))
        draws = generator.standard_normal((count, len(self.numbers)))
        maps = np.empty((count, *self._resolution[::-1], 3), np.float32)
        for number, draw in enumerate(draws):
            drawn = np.clip(self.numbers + root @ draw, family.low, family.high)
            maps[number] = self._as_map(self.unit * texels_of(family, drawn))
        return maps

    @functools.cached_property
    def some_samples(self) -> NDArray[np.float32]:
        """The same 64 samples whenever asked for, shape (64, H, W, 3)."""
        return self.samples(NUM_SAMPLES, 0)

    def described(self) -> dict[str, Any]:
        """What the numbers say, for `summary.json`."""
        found = self._family.described(self.numbers, self.covariance, self.unit)
        return {"numbers": len(self.numbers), "lacking": self.lacking.tolist(), **found}

    def _as_map(self, texels: Array) -> NDArray[np.float32]:
        width, height = self._resolution
        return np.ascontiguousarray(texels.reshape(height, width, 3), np.float32)


AnyPosterior = Posterior | NumbersPosterior
"""How sure a map is."""
