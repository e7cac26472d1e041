"""Exposures of views, known and unknown, per channel."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.problem.view import View, start_exposures
from envmap_inverse.system.arrays import HOST, Library, as_columns, to_host

__all__ = ["Gains"]

LEAST_FACTOR = 0.05
"""By which one step may change an exposure, at most, and its inverse."""


class Gains:
    """The exposures of all views, some of them unknown and shared by the channels of a view.

    Attributes:
        exposures: of each view and channel, shape (views, 3): factor from radiance to values.
        num_unknown: number of unknown exposures.
    """

    def __init__(self, views: Sequence[View], library: Library = HOST) -> None:
        """Start with the known ones, and 1 for the others.

        Args:
            views: whose exposures they are.
            library: of the pixels' arrays. The few numbers per view are always on the processor.
        """
        self._library = library
        self.exposures, self._index = start_exposures(views)
        self.num_unknown = int(self._index.max()) + 1
        self._sizes = [view.image[:, :, 0].size for view in views]

    def rows(self, per_view: NDArray[np.generic]) -> NDArray[np.float32]:
        """Repeat numbers per view and channel, (views, 3), for each pixel: (pixels, 3)."""
        return as_columns(np.repeat(self._library.array(per_view), self._sizes, axis=0))

    def split(self, pixels: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Cut (pixels, 3) into those of each view."""
        return np.split(pixels, [*itertools.accumulate(self._sizes[:-1])])

    def is_known(self) -> NDArray[np.float32]:
        """1 for each pixel and channel whose exposure is known, else 0; shape (pixels, 3)."""
        return self.rows(self._index < 0)

    def of_unknown(self, numbers: NDArray[np.float32]) -> NDArray[np.float32]:
        """Repeat a number per unknown for each of its pixels, 0 elsewhere; shape (pixels, 3)."""
        return self.rows(np.where(self._index >= 0, to_host(numbers)[self._index], 0))

    def sums(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """The transpose of `of_unknown`: sums over the pixels of each unknown."""
        is_free = self._index >= 0
        sums = self._of_views(pixels)[is_free]
        return np.bincount(self._index[is_free], sums, self.num_unknown).astype(np.float32)

    def _of_views(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Sums over the pixels of each view, shape (views, 3)."""
        if self._library.is_on_card:
            return np.stack([to_host(np.sum(part, axis=0)) for part in self.split(pixels)])
        starts = np.cumsum([0, *self._sizes[:-1]])
        return np.add.reduceat(pixels, starts, axis=0)

    def multiply(self, factors: NDArray[np.float32]) -> None:
        """Multiply the unknown exposures."""
        factor = np.where(self._index >= 0, factors[self._index], np.float32(1))
        self.exposures = np.asarray(self.exposures * factor, np.float32)

    def fit(
        self,
        light: NDArray[np.float32],
        images: NDArray[np.float32],
        weights: NDArray[np.float32],
    ) -> None:
        """Make the unknown exposures fit a predicted light, relative to the known ones.

        By least squares over the exposures, as the prediction has less noise than the pictures. It
        is a little too dark where priors or noise shrink it; so it is for the known ones, by whose
        factor the others are divided.

        Args:
            light: predicted radiance, shape (pixels, 3).
            images: the pictures' values, shape (pixels, 3).
            weights: of the squared differences in radiance, shape (pixels, 3).
        """
        observed = images / self.rows(self.exposures)
        products, squares = weights * light * observed, weights * light**2
        known = self.is_known()
        of_known = to_host(np.sum(known * products) / np.sum(known * squares))
        factors = self.sums(products) / self.sums(squares)
        self.multiply(np.clip(factors / of_known, LEAST_FACTOR, 1 / LEAST_FACTOR))
