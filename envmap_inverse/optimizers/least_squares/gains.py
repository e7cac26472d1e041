"""Exposures of views, known and unknown, per channel."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.problem.view import View, start_exposures
from envmap_inverse.recording.blocks import elementwise
from envmap_inverse.system.arrays import HOST, Library, as_columns, like, to_host

__all__ = ["Gains", "Repeated"]

LEAST_FACTOR = 0.05
"""By which one step may change an exposure, at most, and its inverse."""


class Repeated:
    """Numbers of each view and channel, for each pixel of the view: made when they are asked for.

    Attributes:
        shape: (pixels, 3).
    """

    def __init__(self, per_view: NDArray[Any], sizes: Sequence[int]) -> None:
        """Take numbers, shape (views, 3), and the number of pixels of each view."""
        self._per_view, self._starts = per_view, np.cumsum([0, *sizes])
        self.shape = int(self._starts[-1]), 3

    def __len__(self) -> int:
        """Number of pixels."""
        return self.shape[0]

    def __getitem__(self, pixels: Any) -> NDArray[Any]:
        """The numbers of a range of pixels or of some, shape (n, 3); (1, 3) where all are alike."""
        starts = self._starts
        if not isinstance(pixels, slice):
            views = np.searchsorted(like(starts, pixels), pixels, side="right") - 1
            found: NDArray[Any] = self._per_view[views]
            return found
        first, last, _ = pixels.indices(len(self))
        begin, end = np.searchsorted(starts, [first, last - 1], side="right") - 1
        if begin == end:
            return self._per_view[begin : begin + 1]
        counts = np.diff(np.clip(starts[begin : end + 2], first, last)).tolist()
        return as_columns(np.repeat(self._per_view[begin : end + 1], counts, axis=0))


class Gains:
    """The exposures of all views, some of them unknown and shared by the channels of a view.

    Attributes:
        exposures: of each view and channel, shape (views, 3): factor from radiance to values.
        num_unknown: number of unknown exposures.
        num_pixels: of all views.
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
        self.num_pixels = sum(self._sizes)

    def rows(self, per_view: NDArray[np.generic]) -> Repeated:
        """Numbers per view and channel, (views, 3), for each pixel: (pixels, 3)."""
        return Repeated(self._library.array(np.asarray(per_view, np.float32)), self._sizes)

    def split(self, pixels: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Cut (pixels, 3) into those of each view; each has a single row, if there is no other."""
        if len(pixels) == 1:
            return [pixels] * len(self._sizes)
        return np.split(pixels, [*itertools.accumulate(self._sizes[:-1])])

    def is_known(self) -> Repeated:
        """1 for each pixel and channel whose exposure is known, else 0; shape (pixels, 3)."""
        return self.rows(self._index < 0)

    def of_unknown(self, numbers: NDArray[np.float32]) -> Repeated:
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
        exposures = self.rows(self.exposures)
        found = elementwise(lambda w, p, i, g: w * p * (i / g), weights, light, images, exposures)
        products, of_known = self.sums(found), self._sum_of_known(found)
        elementwise(lambda w, p: w * p**2, weights, light, into=found)
        sums = products / self.sums(found)
        of_known = to_host(of_known / self._sum_of_known(found))
        self.multiply(np.clip(sums / of_known, LEAST_FACTOR, 1 / LEAST_FACTOR))

    def _sum_of_known(self, pixels: NDArray[np.float32]) -> Any:
        """The sum over the pixels whose exposures are known; the others become 0."""
        return np.sum(elementwise(np.multiply, pixels, self.is_known(), into=pixels))
