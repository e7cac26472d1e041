"""The pictures of a problem as least squares sees them: pixels in columns, in radiance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.optimizers.least_squares.gains import Gains
from envmap_inverse.problem.noise import expected_variance
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.view import View, start_exposures
from envmap_inverse.recording.blocks import elementwise
from envmap_inverse.system.arrays import HOST, Library, as_columns, library_of

__all__ = ["Pictures", "Pixels"]

Pixels = NDArray[Any]
"""Shape (pixels of all views, 3), in columns."""


class Pictures:
    """The pixels of all views, in units of the pictures' mean radiance.

    Predictions that its methods take are of the map alone; `offset` is the other emitters' light.

    Attributes:
        weights: of the objective's pixels, times 3 so that those of a channel sum to 1.
        images: the values of the pictures, 0 where they do not count.
        observed: the pictures in radiance by the present exposures, without the offset.
        is_exact: which values are not clipped.
        is_over: which values are clipped at the top.
        gains: the exposures.
        unit: the pictures' mean radiance.
        offset: the other emitters' light.
    """

    def __init__(
        self, problem: Problem, offset: NDArray[np.float32], library: Library = HOST
    ) -> None:
        """Find the unit, and bring the pictures to radiance by the known exposures.

        Args:
            problem: has the pictures.
            offset: the other emitters' light, in NumPy.
            library: of the arrays that they become.
        """
        views = problem.views
        self._loss = problem.loss

        def stacked(images: Iterable[NDArray[Any]], kind: type = np.float32) -> Pixels:
            pixels: Pixels = library.array(_stacked(images, kind))
            return pixels

        self._stacked = stacked
        self.weights = stacked(v.weights * np.float32(3 / len(views)) for v in views)
        self._take(views)
        self.gains = Gains(views, library)
        light = np.maximum(self.images / self.gains.rows(self.gains.exposures), 0)
        known = self.weights * self.gains.is_known()
        self.unit = float(np.sum(known * light) / np.sum(known)) or 1.0
        self.offset: Pixels = as_columns(library.array(offset / np.float32(self.unit)))
        self._expose()

    def _take(self, views: Sequence[View]) -> None:
        """Take the values of views."""
        self._views = views
        self.images: Pixels = np.where(
            self.weights > 0, self._stacked(v.image for v in views), np.float32(0)
        )
        self.is_over = self._stacked((v.is_over for v in views), bool)
        self._is_under = self._stacked((v.is_under for v in views), bool)
        self.is_exact = ~(self.is_over | self._is_under)

    def show(self, views: Sequence[View]) -> None:
        """Take other pictures, of the same weights and of known exposures; the unit stays."""
        self._take(views)
        self.gains.exposures, _ = start_exposures(views)
        self._expose()

    def target(self, predicted: Pixels) -> Pixels:
        """The values nearest to a prediction that the pictures allow."""
        if self.is_exact.all():
            return self.observed
        above = np.where(self.is_over, np.maximum(self.observed, predicted), self.observed)
        return np.where(self._is_under, np.minimum(self.observed, predicted), above)

    def pulls(self, predicted: Pixels) -> Pixels:
        """Which values pull at the map: a clipped one does not while its bound is met."""
        found: Pixels = self.is_exact | (self.target(predicted) == self.observed)
        return found

    def loss_weights(self, predicted: Pixels) -> Pixels:
        """The loss's weights of squared differences in radiance."""

        def of_rows(gain: Pixels, predicted: Pixels, observed: Pixels) -> Pixels:
            return gain**2 * self._loss.weight(gain * predicted, gain * observed)

        return elementwise(of_rows, self._gain, predicted, self.observed)

    def mean_loss(self, predicted: Pixels) -> float:
        """The weighted mean of the loss."""
        return float(np.sum(self.weights * self.losses(predicted)) / 3)

    def best_multiple(self, predicted: Pixels) -> Pixels:
        """A prediction, times the factor per channel that fits the pictures best."""
        weights = self.weights * self.is_exact * predicted
        scale = np.sum(weights * self.observed, axis=0)
        scale /= np.maximum(np.sum(weights * predicted, axis=0), np.float32(1e-30))
        best: Pixels = predicted * np.maximum(scale, 0)
        return best

    def losses(self, predicted: Pixels) -> Pixels:
        """The loss of each value of the pictures."""

        def of_rows(gain: Pixels, predicted: Pixels, target: Pixels) -> Pixels:
            losses: Pixels = self._loss(gain * predicted, gain * target)
            return losses

        return elementwise(of_rows, self._gain, predicted, self.target(predicted))

    def losses_at(self, pixels: NDArray[Any], predicted: Pixels) -> Pixels:
        """The losses of some pixels, by their numbers; none of them clipped."""
        gain = self._gain[pixels]
        losses: Pixels = self._loss(gain * predicted[pixels], gain * self.observed[pixels])
        return losses

    def noise(self, predicted: Pixels) -> Pixels:
        """Variance of the pictures' radiance, by the noise models of the views."""
        arrays = map(self.gains.split, (self._factors, predicted, self.offset))
        parts = [
            elementwise(partial(_noise_of_light, view), *rows)
            for view, *rows in zip(self._views, *arrays, strict=True)
        ]
        return parts[0] if len(parts) == 1 else as_columns(np.concatenate(parts))

    def expected_variance(self, predicted: Pixels, recorded: Pixels, noise: Pixels) -> Pixels:
        """Variance of the residuals: of noise, of the recording and of an error of the map.

        Args:
            predicted: radiance.
            recorded: the recording's variance.
            noise: that of the pictures' noise.
        """
        return elementwise(expected_variance, self.light(predicted), noise, recorded)

    def variance(self, predicted: Pixels, recorded: Pixels) -> Pixels:
        """The same, larger where the residuals are; infinite for values that do not count.

        Clipped values do not count.
        """
        variance = self.expected_variance(predicted, recorded, self.noise(predicted))
        counts = (self.weights > 0) & self.is_exact
        misfits = (predicted - self.observed) ** 2 / variance
        level = max(_mean_where(counts, misfits), 1) if counts.any() else 1.0
        return np.where(counts, np.float32(level) * variance, np.float32(np.inf))

    # Exposures

    def light(self, predicted: Pixels) -> Pixels:
        """The predicted light, that of other emitters included."""
        return predicted + self.offset

    def light_sums(self, pixels: Pixels, predicted: Pixels) -> NDArray[np.float32]:
        """Derivative of the residuals by each unknown exposure, times pixels."""
        if not self.gains.num_unknown:
            return np.zeros(0, np.float32)
        return self.gains.sums(self.light(predicted) * pixels)

    def multiply_gains(self, factors: NDArray[np.float32]) -> None:
        """Multiply the unknown exposures."""
        if self.gains.num_unknown:
            self.gains.multiply(factors)
            self._expose()

    def fit_gains(self, predicted: Pixels) -> None:
        """Make the unknown exposures fit a prediction."""
        if self.gains.num_unknown:
            weights = self.weights * self.loss_weights(predicted) * self.is_exact
            self.gains.fit(self.light(predicted), self.images, weights)
            self._expose()

    def _expose(self) -> None:
        """Bring the pictures to radiance by the present exposures."""
        self._factors = self.gains.rows(self.gains.exposures * np.float32(self.unit))
        self.observed: Pixels = self.images / self._factors - self.offset
        # Losses see pictures in units of their mean, whatever the exposure.
        mean = float(np.sum(self.weights * np.maximum(self.images, 0))) / 3 or 1.0
        self._gain: Pixels = self._factors / np.float32(mean)


def _noise_of_light(view: View, factor: Pixels, predicted: Pixels, offset: Pixels) -> Pixels:
    """Variance of radiance, from that of values, which are so many times as large."""
    variance: Pixels = view.variance(factor * (predicted + offset)) / factor**2
    return variance


def _mean_where(counts: Pixels, values: Pixels) -> float:
    """The mean of the values that count."""
    if library_of(values).is_on_card:  # CuPy has no `where`
        return float(np.mean(values[counts]))
    return float(np.mean(values, where=counts))


def _stacked(images: Iterable[NDArray[Any]], kind: type) -> Pixels:
    """Images one below the other, shape (pixels, 3), in columns."""
    rows = [image.reshape(-1, 3) for image in images]
    return np.asfortranarray(np.concatenate(rows), dtype=kind)
