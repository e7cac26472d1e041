"""Light transport near a map, reduced to the few numbers of smooth changes of its logarithm."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from envmap_inverse.natural_light import colour_root
from envmap_inverse.problem.waves import Waves, hessian_of
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.system.arrays import as_floats, like

__all__ = ["ALIKE", "ReducedTransport", "breadth", "precision_of", "some_breadths"]

FINE = 0.5
"""Standard deviation of log radiance that is finer than the harmonics."""

ALIKE = np.float32(8)
"""How many pixels count as one, at least, as errors of the model are alike in neighbours."""

LEAST_SIDE = 4
"""Of squares of neighbours, in pixels, for which every other row and column stands."""

PARTS = 12, 24
"""Rows and columns of parts of the sphere."""

STEPS, MAX_LOG = 8, 5.0

Array = NDArray[Any]


def precision_of(
    transport: LightTransport,
    texels: NDArray[np.float32],
    variance: NDArray[np.float32],
    alike: NDArray[np.float32] | np.float32 = ALIKE,
) -> NDArray[np.float32]:
    """Precision of each pixel's value, given the map up to finer detail than harmonics have.

    Args:
        transport: the recording.
        texels: shape (H * W, 3).
        variance: of each pixel's value, infinite where it does not count, shape (pixels, 3).
        alike: how many pixels count as one; a number, or one for each, shape (pixels, 1).
    """
    fine = transport.sum_of_squares(np.float32(FINE**2) * texels**2)
    return as_floats(1 / (alike * (variance + fine)))


def breadth(transport: LightTransport) -> NDArray[np.float32]:
    """How many parts of the sphere of 15 degrees each pixel sees, shape (pixels, 1)."""
    return transport.breadth(_parts(transport))


def some_breadths(transport: LightTransport, number: int) -> NDArray[np.float32]:
    """The same of so many pixels or somewhat more, evenly spaced, shape (pixels,)."""
    return transport.some_breadths(_parts(transport), number)


def _parts(transport: LightTransport) -> Any:
    width, height = transport.resolution
    return transport.library.matrix(_texel_groups((height, width), PARTS))


class ReducedTransport:
    """The linear model T x0 (1 + u), u being natural light (see `natural_light`) without detail.

    The logarithm u of a change of the map x0 is a sum of spherical harmonics (see `Waves`) with
    coefficients of shape (size, count) for several changes. On the linear model the coefficients
    are normal given the pictures, too (Laplace's method), and few enough for dense matrices: pixels
    and texels close to each other are taken together.

    All arrays lie where the recording does.

    Attributes:
        waves: the harmonics.
        size: number of coefficients.
        weights: precision of each group of pixels, for each channel.
    """

    def __init__(
        self,
        transport: LightTransport,
        texels: NDArray[np.float32],
        precision: NDArray[np.float32],
        *,
        degree: int,
        max_pixels: int,
        is_rough: bool = False,
    ) -> None:
        """Take pixels and texels together.

        Args:
            transport: the recording.
            texels: the map x0, positive, shape (H * W, 3).
            precision: of each pixel's value, 0 where it does not count, shape (pixels, 3).
            degree: of the harmonics.
            max_pixels: neighbouring pixels are taken together until so many are left.
            is_rough: whether every other row and column of pixels may stand for many neighbours'
                transport, though not for their values.
        """
        width, height = transport.resolution
        self._transport, self._texels, self._precision = transport, texels, precision
        self.waves = Waves(transport.resolution, degree)
        sizes = transport.image_sizes
        side = _side(sizes, max_pixels)
        self._groups = transport.library.matrix(_pixel_groups(sizes, side))
        self._chosen = like(_chosen(sizes, 2 if is_rough and side >= LEAST_SIDE else 1), texels)
        cells = transport.library.matrix(_texel_groups((height, width), self.waves.grid))
        reduced = [self._reduced(channel, cells) for channel in range(3)]
        self._matrices, self._counts, self.weights = zip(*reduced, strict=True)
        self.size = self.waves.size

    def _reduced(self, channel: int, cells: Any) -> tuple[Any, ...]:
        """T x0 by groups of pixels and texels; which groups count, and their precision."""
        texels, precision = self._texels[:, channel], self._precision[:, channel]
        diags = self._transport.library.sparse.diags
        chosen = self._chosen * precision
        weights, of_chosen = self._groups @ precision, self._groups @ chosen
        counts = of_chosen > 0
        mean = diags(1 / of_chosen[counts]) @ self._groups[counts] @ diags(chosen)
        spread = diags(texels) @ cells
        matrix = self._transport.reduced(channel, mean, spread)
        return matrix.astype(np.float32), counts, weights[counts]

    def means(self, pixels: NDArray[np.float32]) -> list[Array]:
        """Means over the groups of pixels of values (pixels, 3), for each channel (groups, 1)."""
        sums = self._groups @ (self._precision * pixels)
        return [
            (sums[counts, channel] / weights)[:, None]
            for channel, (counts, weights) in enumerate(
                zip(self._counts, self.weights, strict=True)
            )
        ]

    def nearest(self, wanted: Array, pixels: list[Array]) -> Array:
        """Coefficients near wanted ones whose change of the pictures is near a wanted one.

        The minimum over w of |W^1/2 (T x0 (exp(u) - 1) - p)|^2 + |w - w0|^2. Steps are Newton's
        with the Hessian at x0, as far as the objective falls.

        Args:
            wanted: w0, shape (coefficients, count).
            pixels: p, for each channel (groups, count).
        """
        found = np.zeros_like(wanted)
        best, pull = self._objective(found, wanted, pixels)
        size = np.ones_like(best)
        for _ in range(STEPS):
            trial = found + size * self._solved(pull)
            value, next_pull = self._objective(trial, wanted, pixels)
            is_better = value < best
            found = np.where(is_better, trial, found)
            pull = np.where(is_better, next_pull, pull)
            best = np.where(is_better, value, best)
            size = np.where(is_better, size, size / 3)
        return found

    def _objective(self, drawn: Array, wanted: Array, noise: list[Array]) -> tuple[Array, Array]:
        """Of each draw, and half of its negative gradient."""
        value, pull = np.sum((drawn - wanted) ** 2, axis=0), wanted - drawn
        logs = np.clip(self._channels(drawn), -MAX_LOG, MAX_LOG)
        pulls = []
        for matrix, weights, noisy, log in zip(
            self._matrices, self.weights, noise, logs, strict=True
        ):
            factor = np.exp(log)
            misfit = noisy - matrix @ (factor - 1)
            value += np.sum(weights[:, None] * misfit**2, axis=0)
            pulls.append(self._basis.T @ (factor * (matrix.T @ (weights[:, None] * misfit))))
        mixed = np.einsum("cd,cnk->dnk", self._root, np.stack(pulls))
        return value, pull + mixed.reshape(pull.shape)

    def _channels(self, coefficients: Array) -> Array:
        """Sums on the coarse grid, shape (3, cells, count)."""
        parts = coefficients.reshape(3, self._basis.shape[1], -1)
        channels: Array = np.einsum("cd,dnk->cnk", self._root, self._basis @ parts)
        return channels

    @functools.cached_property
    def _root(self) -> Array:
        return like(colour_root(), self._texels)

    @functools.cached_property
    def _basis(self) -> Array:
        return like(self.waves.basis, self._texels)

    @functools.cached_property
    def grams(self) -> list[Array]:
        """What the pictures add to the precision of each channel's coefficients; see `Evidence`."""

        def gram(channel: int) -> Array:
            seen = self._matrices[channel] @ self._basis
            seen *= np.sqrt(self.weights[channel])[:, None].astype(np.float32)
            return as_floats(seen.T @ seen, np.float64)

        return [gram(channel) for channel in range(3)]

    @functools.cached_property
    def _factor(self) -> Any:
        """Cholesky factor of the Hessian of all coefficients."""
        return self._transport.library.cho_factor(hessian_of(self.grams))

    def _solved(self, pull: Array) -> Array:
        found: Array = self._transport.library.cho_solve(self._factor, pull)
        return found


def _pixel_groups(sizes: Sequence[tuple[int, int]], side: int) -> Any:
    """A matrix of ones, (groups, pixels), of squares of pixels of a view."""
    total = sum(width * height for width, height in sizes)
    labels, start = [], 0
    for width, height in sizes:
        columns = math.ceil(width / side)
        label = np.arange(height)[:, None] // side * columns + np.arange(width) // side
        labels.append((start + label.ravel()).astype(np.int32))
        start += columns * math.ceil(height / side)
    ones, ends = np.ones(total, np.float32), np.arange(total + 1, dtype=np.int32)
    return sparse.csc_matrix((ones, np.concatenate(labels), ends), (start, total)).tocsr()


def _side(sizes: Sequence[tuple[int, int]], max_pixels: int) -> int:
    """Pixels on a side of the squares."""
    total = sum(width * height for width, height in sizes)
    return max(math.ceil(math.sqrt(total / max_pixels)), 1)


def _chosen(sizes: Sequence[tuple[int, int]], step: int) -> NDArray[np.float32]:
    """1 for pixels in every so manieth row and column, 0 for the others, shape (pixels,).

    A single 1 if all are chosen.
    """
    if step == 1:
        return np.ones(1, np.float32)
    chosen = [np.zeros((height, width), np.float32) for width, height in sizes]
    for pixels in chosen:
        pixels[::step, ::step] = 1
    return np.concatenate([pixels.ravel() for pixels in chosen])


def _texel_groups(size: tuple[int, int], grid: tuple[int, int]) -> Any:
    """A matrix of ones, (texels, cells): the cell that each texel is nearest to."""
    (height, width), (rows, columns) = size, grid
    row = np.rint(np.linspace(0, rows - 1, height)).astype(int)
    column = np.arange(width) * columns // width
    cell = (row[:, None] * columns + column).ravel()
    ones = np.ones(len(cell), np.float32)
    return sparse.csr_matrix((ones, (np.arange(len(cell)), cell)), (len(cell), rows * columns))
