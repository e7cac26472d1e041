"""The waves of natural light: spherical harmonics of log radiance, on a coarse grid."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.natural_light import colour_root, spectrum
from envmap_inverse.sphere import latlong
from envmap_inverse.sphere.harmonics import Harmonics
from envmap_inverse.system.arrays import as_floats, like

__all__ = ["Waves", "hessian_of"]

Array = NDArray[Any]


class Waves:
    """Sums of harmonics up to a degree, with coefficients that are standard normal beforehand.

    They are those of three independent channels, from which `colour_root` makes red, green and
    blue.

    Attributes:
        resolution: (width, height) of the map.
        grid: (rows, columns) of the coarse grid.
    """

    def __init__(self, resolution: tuple[int, int], degree: int) -> None:
        """Choose the grid; small maps have no harmonics of high degrees.

        Args:
            resolution: (width, height) of the map.
            degree: of the harmonics, at most.
        """
        self.resolution = width, height = resolution
        self.grid = min(2 * degree, height), min(4 * degree, width)
        degree = min(degree, self.grid[0] - 1, (self.grid[1] - 1) // 2)
        self._factors = np.sqrt(spectrum(degree))

    @functools.cached_property
    def basis(self) -> NDArray[np.float32]:
        """The harmonics on the coarse grid, shape (cells, coefficients of a channel)."""
        coarse = Harmonics(*self.grid, self._factors)
        size = int(np.count_nonzero(coarse.counts))
        unit = np.zeros((*coarse.shape, size), np.float32)
        unit[coarse.counts] = np.eye(size)
        return coarse.synthesis(unit)

    @property
    def size(self) -> int:
        """Number of coefficients of all channels."""
        return 3 * int(self.basis.shape[1])

    def logs(self, coefficients: Array) -> NDArray[np.float32]:
        """The sums at full resolution, shape (H * W, 3, count).

        Args:
            coefficients: shape (size, count).
        """
        count = coefficients.shape[1]
        width, height = self.resolution
        fine = Harmonics(height, width, self._factors)
        shape = math.prod(fine.shape), 3 * count
        spread = np.zeros_like(coefficients, np.float32, order="C", shape=shape)
        parts = coefficients.reshape(3, -1, count).transpose(1, 0, 2)
        spread[like(np.flatnonzero(fine.counts), spread)] = parts.reshape(-1, 3 * count)
        maps = fine.synthesis(spread.reshape(*fine.shape, -1)).reshape(-1, 3, count)
        return as_floats(np.matmul(like(colour_root(), maps), maps))

    def variance(self, factor: NDArray[np.float64]) -> NDArray[np.float32]:
        """Variance of the sums, shape (H * W, 3).

        Args:
            factor: lower Cholesky factor of the coefficients' precision, shape (size, size).
        """
        from scipy import linalg  # noqa: PLC0415 - takes a while to load

        # R with R' R the covariance of all coefficients.
        root = linalg.solve_triangular(factor, np.eye(len(factor)), lower=True)
        roots = root.astype(np.float32).reshape(-1, 3, self.basis.shape[1])
        found = np.empty((3, len(self.basis)), np.float32)
        for channel, row in enumerate(colour_root()):
            of_channel = np.einsum("d,kdn->kn", row, roots)
            found[channel] = np.sum((self.basis @ of_channel.T) ** 2, axis=1)
        width, height = self.resolution
        maps = latlong.resample(found.T.reshape(*self.grid, 3), height, width)
        return maps.reshape(-1, 3).astype(np.float32)


def hessian_of(grams: Sequence[Array] | Array) -> Array:
    """Precision of the coefficients of all channels, 1 beforehand.

    Args:
        grams: what pictures add to that of red, green and blue, were each alone.
    """
    root = like(colour_root(), grams[0]).astype(np.float64)
    hessian = like(np.eye(3 * len(grams[0])), grams[0])
    for row, gram in zip(root, grams, strict=True):
        hessian += np.kron(np.outer(row, row), gram)
    return hessian
