"""How sure a map is that is a sum of few given maps."""

from __future__ import annotations

import functools
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.problem.posterior import NUM_SAMPLES, Posterior

__all__ = ["AnyPosterior", "LinearPosterior"]

Array = NDArray[Any]


class LinearPosterior:
    """Maps B c with normal coefficients c. Light that the basis does not have counts as none."""

    def __init__(
        self,
        *,
        resolution: tuple[int, int],
        maps: Array,
        coefficients: Array,
        covariance: Array,
        is_positive: bool,
    ) -> None:
        """Take the basis and what is known of its coefficients.

        Args:
            resolution: (width, height) of the map.
            maps: shape (H * W, n).
            coefficients: in radiance, shape (n, 3).
            covariance: of each channel's, shape (3, n, n).
            is_positive: whether no coefficient is negative.
        """
        self._resolution, self._maps, self._is_positive = resolution, maps, is_positive
        self.coefficients, self.covariance = coefficients, covariance

    @functools.cached_property
    def deviation(self) -> NDArray[np.float32]:
        """Standard deviation of each texel, in radiance, shape (H, W, 3)."""
        variances = [np.sum((self._maps @ each) * self._maps, axis=1) for each in self.covariance]
        return self._as_map(np.sqrt(np.maximum(np.stack(variances, axis=1), 0)))

    def interval(self, probability: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Radiance between which each texel lies with a probability, shapes (H, W, 3)."""
        reach = np.float32(NormalDist().inv_cdf((1 + probability) / 2)) * self.deviation
        texels = self._as_map(self._maps @ self.coefficients)
        return np.maximum(texels - reach, np.minimum(texels, 0)), texels + reach

    def samples(self, count: int, seed: int) -> NDArray[np.float32]:
        """Maps that explain the pictures, drawn at random, shape (count, H, W, 3)."""
        generator = np.random.default_rng(seed)
        roots = [_root(each) for each in self.covariance]
        draws = generator.standard_normal((count, 3, len(self.coefficients)))
        maps = np.empty((count, *self._resolution[::-1], 3), np.float32)
        for number, draw in enumerate(draws):
            moved = [root @ part for root, part in zip(roots, draw, strict=True)]
            coefficients = self.coefficients + np.stack(moved, axis=1)
            if self._is_positive:
                coefficients = np.maximum(coefficients, 0)
            maps[number] = self._as_map(self._maps @ coefficients)
        return maps

    @functools.cached_property
    def some_samples(self) -> NDArray[np.float32]:
        """The same 64 samples whenever asked for, shape (64, H, W, 3)."""
        return self.samples(NUM_SAMPLES, 0)

    def _as_map(self, texels: Array) -> NDArray[np.float32]:
        width, height = self._resolution
        return np.ascontiguousarray(texels.reshape(height, width, 3), np.float32)


def _root(covariance: Array) -> Array:
    """A matrix whose product with its transpose is the covariance."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0)))


AnyPosterior = Posterior | LinearPosterior
"""How sure a map is."""
