"""How sure a map is: random maps that explain the pictures as well as it does."""

from __future__ import annotations

import functools
import math
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from envmap_inverse.natural_light import colour_root, spectrum
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.sphere import latlong
from envmap_inverse.sphere.harmonics import Harmonics

__all__ = ["Posterior"]

FLOOR = 1e-3
"""Share of the pictures' mean radiance below which texels count as so bright, for logarithms."""

DEGREE = 20
"""Of the harmonics by which maps differ, about 9 degrees; finer detail is left to each texel."""

CELLS = 40, 80
"""Rows and columns of the grid on which these harmonics stand for a map."""

MAX_PIXELS = 8192
"""Neighbouring pixels are taken together until so many are left."""

FINE, TEXEL = 0.5, 0.35
"""Standard deviation of log radiance that is finer: of all of it, and for most texels."""

ALIKE, INFLATION = 8.0, 2.0
"""How many pixels count as one, as errors of the model are alike in neighbours; and a factor on the
variance of the harmonics for what the linear model lacks. With these, intervals of 90 % hold about
so much of the sphere (`python -m benchmarks --only calibration`)."""

SHIFT, SHIFT_DEVIATION = -1.2, 0.45
"""Mean and standard deviation over maps of the mean log radiance, from the log of the mean."""

VARIANCE = 1.44
"""Of log radiance, over a map."""

STEPS, MAX_LOG = 8, 5.0

Array = NDArray[Any]


class Posterior:
    """Maps x = x0 exp(u) near a solution x0, u being natural light (see `natural_light`).

    The logarithm u is a sum of spherical harmonics with normal coefficients, and of finer detail
    that is independent from texel to texel. On the linear model T x0 (1 + u) the coefficients are
    normal given the pictures, too (Laplace's method), and few enough for dense matrices: pixels and
    texels close to each other are taken together. Finer detail counts as noise of the pixels.

    Maps are in units of the pictures' mean radiance.
    """

    def __init__(
        self,
        transport: LightTransport,
        texels: NDArray[np.float32],
        variance: NDArray[np.float32],
        unit: float = 1.0,
    ) -> None:
        """Prepare.

        Args:
            transport: the recording.
            texels: the solution, shape (H * W, 3).
            variance: of each pixel's value, infinite where it does not count, shape (pixels, 3).
            unit: radiance that `texels` count in; what methods return is in radiance.
        """
        self._unit = np.float32(unit)
        self._transport, self._variance = transport, variance
        self._texels = np.maximum(texels, np.float32(FLOOR))
        width, height = transport.resolution
        self._grid = min(CELLS[0], height), min(CELLS[1], width)
        degree = min(DEGREE, self._grid[0] - 1, (self._grid[1] - 1) // 2)
        self._factors = np.sqrt(spectrum(degree))

    @functools.cached_property
    def log_deviation(self) -> NDArray[np.float32]:
        """Standard deviation of the logarithm of each texel, shape (H, W, 3)."""
        return self._as_map(self._moments[1])

    @functools.cached_property
    def deviation(self) -> NDArray[np.float32]:
        """Standard deviation of each texel, log-normal, in radiance, shape (H, W, 3)."""
        mean, deviation = self._moments
        median = self._unit * self._texels * np.exp(mean)
        variance = deviation**2
        return self._as_map(median * np.exp(variance / 2) * np.sqrt(np.expm1(variance)))

    def interval(self, probability: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Radiance between which each texel lies with a probability, shapes (H, W, 3)."""
        mean, deviation = self._moments
        reach = np.float32(NormalDist().inv_cdf((1 + probability) / 2)) * deviation
        texels = self._unit * self._texels
        low, high = (texels * np.exp(mean + part) for part in (-reach, reach))
        return self._as_map(low), self._as_map(high)

    def samples(self, count: int, seed: int) -> NDArray[np.float32]:
        """Maps that explain the pictures, drawn at random, shape (count, H, W, 3)."""
        maps = self._unit * self._texels[:, :, None] * np.exp(self._draws(count, seed))
        width, height = self._transport.resolution
        return np.ascontiguousarray(np.moveaxis(maps, 2, 0).reshape(count, height, width, 3))

    def _as_map(self, texels: Array) -> NDArray[np.float32]:
        width, height = self._transport.resolution
        return np.ascontiguousarray(texels.reshape(height, width, 3), np.float32)

    @functools.cached_property
    def _moments(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean and standard deviation of u, shapes (H * W, 3).

        Where the pictures see only means of many texels, x0 is about that mean, and most texels are
        darker: lamps make up for them. There the mean of u is below 0.
        """
        texels = self._texels
        own = texels**2 * self._transport.gram_diagonal(self._precision)
        variance = INFLATION * self._coarse_variance() + TEXEL**2 / (1 + TEXEL**2 * own)
        forward = self._transport.matvec(np.asfortranarray(texels))
        together = texels * self._transport.rmatvec(self._precision * forward)
        unresolved = np.minimum(variance / VARIANCE, 1) * together / (together + 1 / VARIANCE)
        variance += (SHIFT_DEVIATION * unresolved) ** 2
        return np.float32(SHIFT) * unresolved, np.sqrt(variance, dtype=np.float32)

    def _draws(self, count: int, seed: int) -> NDArray[np.float32]:
        """Logarithms u without the finer detail, shape (H * W, 3, count).

        A draw is the minimum over the coefficients w of |W^1/2 (T x - T x0 - e)|^2 + |w - w0|^2,
        with random e of covariance W^-1 and standard normal w0: randomize, then optimize (Bardsley
        et al. 2014). Steps are Newton's with the Hessian at x0, as far as the objective falls.
        """
        generator = np.random.default_rng(seed)
        wanted = generator.standard_normal((3 * self._basis.shape[1], count))
        noise = [
            generator.standard_normal((len(w), count)) / np.sqrt(w)[:, None] for w in self._weights
        ]
        drawn = np.zeros_like(wanted)
        best, pull = self._objective(drawn, wanted, noise)
        size = np.ones(count)
        for _ in range(STEPS):
            trial = drawn + size * self._solved(pull)
            value, next_pull = self._objective(trial, wanted, noise)
            is_better = value < best
            drawn = np.where(is_better, trial, drawn)
            pull = np.where(is_better, next_pull, pull)
            best = np.where(is_better, value, best)
            size = np.where(is_better, size, size / 3)
        return self._maps(drawn)

    def _objective(self, drawn: Array, wanted: Array, noise: list[Array]) -> tuple[Array, Array]:
        """Of each draw, and half of its negative gradient."""
        value, pull = np.sum((drawn - wanted) ** 2, axis=0), wanted - drawn
        logs = np.clip(self._channels(drawn), -MAX_LOG, MAX_LOG)
        pulls = []
        for matrix, weights, noisy, log in zip(
            self._matrices, self._weights, noise, logs, strict=True
        ):
            factor = np.exp(log)
            misfit = noisy - matrix @ (factor - 1)
            value += np.sum(weights[:, None] * misfit**2, axis=0)
            pulls.append(self._basis.T @ (factor * (matrix.T @ (weights[:, None] * misfit))))
        mixed = np.einsum("cd,cnk->dnk", colour_root(), np.stack(pulls))
        return value, np.asarray(pull + mixed.reshape(pull.shape))

    def _channels(self, coefficients: Array) -> Array:
        """Logarithms of the three channels on the coarse grid, shape (3, cells, count)."""
        parts = coefficients.reshape(3, self._basis.shape[1], -1)
        return np.asarray(np.einsum("cd,dnk->cnk", colour_root(), self._basis @ parts))

    def _maps(self, drawn: Array) -> NDArray[np.float32]:
        """Logarithms at full resolution."""
        count = drawn.shape[1]
        width, height = self._transport.resolution
        fine = Harmonics(height, width, self._factors)
        coefficients = np.zeros((*fine.shape, 3 * count), np.float32)
        parts = drawn.reshape(3, -1, count).transpose(1, 0, 2)
        coefficients[fine.counts] = parts.reshape(-1, 3 * count)
        maps = fine.synthesis(coefficients).reshape(-1, 3, count)
        return np.asarray(np.matmul(colour_root(), maps))

    def _coarse_variance(self) -> NDArray[np.float32]:
        """Variance of the sum of harmonics, shape (H * W, 3)."""
        found = np.empty((3, len(self._basis)))
        roots = self._inverse_root.reshape(-1, 3, self._basis.shape[1])
        for channel, row in enumerate(colour_root()):
            root = np.einsum("d,kdn->kn", row, roots)
            found[channel] = np.sum((self._basis @ root.T) ** 2, axis=1)
        width, height = self._transport.resolution
        maps = found.T.reshape(*self._grid, 3)
        return latlong.resample(maps, height, width).reshape(-1, 3).astype(np.float32)

    # The reduced problem

    @functools.cached_property
    def _basis(self) -> Array:
        """The harmonics on the coarse grid, shape (cells, coefficients)."""
        coarse = Harmonics(*self._grid, self._factors)
        size = int(np.count_nonzero(coarse.counts))
        unit = np.zeros((*coarse.shape, size), np.float32)
        unit[coarse.counts] = np.eye(size)
        return coarse.synthesis(unit)

    @functools.cached_property
    def _precision(self) -> NDArray[np.float32]:
        """Of each pixel's value, given the coefficients."""
        fine = self._transport.sum_of_squares(np.float32(FINE**2) * self._texels**2)
        return np.float32(1 / ALIKE) / (self._variance + fine)

    @functools.cached_property
    def _matrices(self) -> list[Any]:
        """T x0 of each channel, by groups of pixels and of texels."""
        return [matrix for matrix, _ in self._reduced]

    @functools.cached_property
    def _weights(self) -> list[Array]:
        """Precision of each group of pixels, for each channel."""
        return [weights for _, weights in self._reduced]

    @functools.cached_property
    def _reduced(self) -> list[tuple[Any, Array]]:
        groups, cells = self._pixel_groups(), self._texel_groups()

        def of_channel(channel: int) -> tuple[Any, Array]:
            texels, precision = self._texels[:, channel], self._precision[:, channel]
            spread = sparse.diags(texels) @ cells
            weights = groups @ precision
            counts = weights > 0
            mean = sparse.diags(1 / weights[counts]) @ groups[counts] @ sparse.diags(precision)
            seen = mean @ self._transport.copies @ self._transport.channels[channel]
            matrix = seen.tocsr() @ spread
            return matrix.astype(np.float32), weights[counts]

        return [of_channel(channel) for channel in range(3)]

    def _pixel_groups(self) -> Any:
        """A matrix of ones, (groups, pixels), of squares of pixels of a view."""
        side = max(math.ceil((self._transport.shape[0] / MAX_PIXELS) ** 0.5), 1)
        labels, start = [], 0
        for width, height in self._transport.image_sizes:
            columns = math.ceil(width / side)
            label = np.arange(height)[:, None] // side * columns + np.arange(width) // side
            labels.append(start + label.ravel())
            start += columns * math.ceil(height / side)
        label = np.concatenate(labels)
        own = np.arange(len(label))
        return sparse.csr_matrix(
            (np.ones(len(label), np.float32), (label, own)), (start, len(label))
        )

    def _texel_groups(self) -> Any:
        """A matrix of ones, (texels, cells): the cell that each texel is nearest to."""
        width, height = self._transport.resolution
        rows, columns = self._grid
        row = np.rint(np.linspace(0, rows - 1, height)).astype(int)
        column = np.arange(width) * columns // width
        cell = (row[:, None] * columns + column).ravel()
        ones = np.ones(len(cell), np.float32)
        return sparse.csr_matrix((ones, (np.arange(len(cell)), cell)), (len(cell), rows * columns))

    @functools.cached_property
    def _factor(self) -> Any:
        """Cholesky factor of the Hessian of all coefficients."""
        from scipy import linalg  # noqa: PLC0415 - takes a while to load

        def gram(channel: int) -> Array:
            seen = self._matrices[channel] @ self._basis
            seen *= np.sqrt(self._weights[channel])[:, None].astype(np.float32)
            return np.asarray(seen.T @ seen, np.float64)

        grams = [gram(channel) for channel in range(3)]
        root, size = colour_root().astype(np.float64), self._basis.shape[1]
        hessian = sum(
            np.kron(np.outer(row, row), part) for row, part in zip(root, grams, strict=True)
        )
        return linalg.cho_factor(hessian + np.eye(3 * size), lower=True)

    def _solved(self, pull: Array) -> Array:
        from scipy import linalg  # noqa: PLC0415 - takes a while to load

        return np.asarray(linalg.cho_solve(self._factor, pull))

    @functools.cached_property
    def _inverse_root(self) -> Array:
        """R with R' R the covariance of all coefficients."""
        from scipy import linalg  # noqa: PLC0415 - takes a while to load

        lower = np.tril(self._factor[0])
        return np.asarray(linalg.solve_triangular(lower, np.eye(len(lower)), lower=True))
