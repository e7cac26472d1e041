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
    Arrays whose numbers are alike for all pixels or channels have one row or one column.

    Attributes:
        weights: of the objective's pixels, times 3 so that those of a channel sum to 1; shape
            (pixels, 1).
        observed: the pictures in radiance by the present exposures, without the offset.
        is_exact: which values are not clipped; shape (1, 1) if none is.
        is_over: which values are clipped at the top, in the same shape.
        gains: the exposures.
        unit: the pictures' mean radiance.
        offset: the other emitters' light; shape (1, 1) if there are none.
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
        self._loss, self._library = problem.loss, library
        self.gains = Gains(views, library)
        share = np.float32(3 / len(views))
        self.weights = self._stacked((v.weights[:, :, :1] * share for v in views), np.float32)
        images = self._take(views)
        light = elementwise(_light_of, images, self.gains.rows(self.gains.exposures))
        known = self.known_weights(self.weights)
        total = np.sum(known)
        self.unit = float(np.sum(elementwise(np.multiply, known, light, into=light)) / total) or 1.0
        dark = np.zeros((1, 1), np.float32)
        others = offset / np.float32(self.unit) if offset.any() else dark
        self.offset: Pixels = as_columns(self._moved(others))
        self._expose(images)

    def _take(self, views: Sequence[View]) -> Pixels:
        """Take the pictures of views; return their values, 0 where they do not count."""
        self._views = views
        self.is_over, self._is_under = (
            self._stacked(flags, bool)
            if any(each.any() for each in flags)
            else self._moved(np.zeros((1, 1), bool))
            for flags in ([v.is_over for v in views], [v.is_under for v in views])
        )
        self.is_exact = ~(self.is_over | self._is_under)
        images = self._stacked((v.image for v in views), np.float32)
        images = elementwise(_where_counted, self.weights, images, into=images)
        self._images = images if self.gains.num_unknown else None
        # Losses see pictures in units of their mean, whatever the exposure.
        found = elementwise(lambda w, i: w * np.maximum(i, 0), self.weights, images)
        self._mean = np.float32(float(np.sum(found)) / 3 or 1.0)
        return images

    def _stacked(self, images: Iterable[NDArray[Any]], kind: type) -> Pixels:
        """Images one below the other, shape (pixels, channels), in columns."""
        rows = (image.reshape(-1, image.shape[2]) for image in images)
        found: NDArray[Any] | None = None
        begin = 0
        for part in rows:
            if found is None:
                found = np.empty((self.gains.num_pixels, part.shape[1]), kind, order="F")
            found[begin : begin + len(part)] = part
            begin += len(part)
        return self._moved(found)

    def _moved(self, array: Any) -> Pixels:
        """An array of NumPy, where the recording lies."""
        moved: Pixels = self._library.array(array)
        return moved

    def show(self, views: Sequence[View]) -> None:
        """Take other pictures, of the same weights and of known exposures; the unit stays."""
        images = self._take(views)
        self.gains.exposures, _ = start_exposures(views)
        self._expose(images)

    def target(self, predicted: Pixels) -> Pixels:
        """The values nearest to a prediction that the pictures allow."""
        if self.is_exact.all():
            return self.observed
        return elementwise(_target, predicted, self.observed, self.is_over, self._is_under)

    def missing(self, predicted: Pixels) -> Pixels:
        """What a prediction lacks to the nearest values that the pictures allow."""
        missing: Pixels = self.target(predicted) - predicted
        return missing

    def pulls(self, predicted: Pixels) -> Pixels:
        """Which values pull at the map: a clipped one does not while its bound is met."""
        if self.is_exact.all():
            return self.is_exact
        found: Pixels = self.is_exact | (self.target(predicted) == self.observed)
        return found

    def known_weights(self, weights: Pixels) -> Pixels:
        """Weights of pixels, for the values whose exposure is known."""
        return elementwise(np.multiply, weights, self.gains.is_known())

    def loss_weights(self, predicted: Pixels) -> Pixels:
        """The loss's weights of squared differences in radiance."""

        def of_rows(predicted: Pixels, observed: Pixels, gain: Pixels) -> Pixels:
            return gain**2 * self._loss.weight(gain * predicted, gain * observed)

        return elementwise(of_rows, predicted, self.observed, self._gain)

    def mean_loss(self, predicted: Pixels) -> float:
        """The weighted mean of the loss."""
        losses = self.losses(predicted)
        return float(np.sum(elementwise(np.multiply, self.weights, losses, into=losses)) / 3)

    def best_multiple(self, predicted: Pixels) -> Pixels:
        """A prediction, times the factor per channel that fits the pictures best."""

        def total(pixels: Pixels) -> Any:
            return np.sum(
                elementwise(
                    lambda w, e, p, o: w * e * p * o,
                    *(self.weights, self.is_exact, predicted, pixels),
                ),
                axis=0,
            )

        scale = total(self.observed) / np.maximum(total(predicted), np.float32(1e-30))
        best: Pixels = predicted * np.maximum(scale, 0)
        return best

    def losses(self, predicted: Pixels) -> Pixels:
        """The loss of each value of the pictures."""

        def of_rows(predicted: Pixels, target: Pixels, gain: Pixels) -> Pixels:
            losses: Pixels = self._loss(gain * predicted, gain * target)
            return losses

        return elementwise(of_rows, predicted, self.target(predicted), self._gain)

    def losses_at(self, pixels: NDArray[Any], predicted: Pixels) -> Pixels:
        """The losses of some pixels, by their numbers; none of them clipped."""
        gain = self._gain[pixels]
        losses: Pixels = self._loss(gain * predicted[pixels], gain * self.observed[pixels])
        return losses

    def noise(self, predicted: Pixels) -> Pixels:
        """Variance of the pictures' radiance, by the noise models of the views."""
        found: Pixels = self._library.numpy.empty(predicted.shape, np.float32, order="F")
        parts = map(self.gains.split, (predicted, self.offset, found))
        for view, factor, (light, offset, part) in zip(
            self._views, self._factors, zip(*parts, strict=True), strict=True
        ):
            elementwise(partial(_noise_of_light, view, factor), light, offset, into=part)
        return found

    def expected_variance(self, predicted: Pixels, recorded: Pixels, noise: Pixels) -> Pixels:
        """Variance of the residuals: of noise, of the recording and of an error of the map.

        Args:
            predicted: radiance.
            recorded: the recording's variance.
            noise: that of the pictures' noise; its array becomes the result's.
        """
        return elementwise(
            lambda p, o, n, r: expected_variance(p + o, n, r),
            *(predicted, self.offset, noise, recorded),
            into=noise,
        )

    def variance(
        self, predicted: Pixels, recorded: Pixels, weights: Pixels | None = None
    ) -> Pixels:
        """The same, larger where the residuals are; infinite for values that do not count.

        Clipped values do not count, nor pixels whose weight is 0; by default those of the pictures.
        """
        variance = self.expected_variance(predicted, recorded, self.noise(predicted))
        counts = np.zeros_like(variance, bool)
        counts |= (self.weights > 0) & self.is_exact
        misfits = elementwise(lambda p, o, v: (p - o) ** 2 / v, predicted, self.observed, variance)
        level = np.float32(max(_mean_where(counts, misfits), 1) if counts.any() else 1.0)
        return elementwise(
            lambda v, c, w: np.where(c & (w > 0), level * v, np.float32(np.inf)),
            *(variance, counts, self.weights if weights is None else weights),
            into=variance,
        )

    def slopes(self, weights: Pixels, predicted: Pixels) -> Pixels:
        """Weighted differences of a prediction from the pictures."""
        return elementwise(lambda w, p, o: w * (p - o), weights, predicted, self.observed)

    # Exposures

    def light(self, predicted: Pixels) -> Pixels:
        """The predicted light, that of other emitters included."""
        return predicted + self.offset

    def light_sums(self, pixels: Pixels, predicted: Pixels) -> NDArray[np.float32]:
        """Derivative of the residuals by each unknown exposure, times pixels."""
        if not self.gains.num_unknown:
            return np.zeros(0, np.float32)
        return self.gains.sums(
            elementwise(lambda p, o, x: (p + o) * x, predicted, self.offset, pixels)
        )

    def light_squares(self, weights: Pixels, predicted: Pixels) -> NDArray[np.float32]:
        """Weighted sums of the squares of that derivative."""
        if not self.gains.num_unknown:
            return np.zeros(0, np.float32)
        return self.gains.sums(
            elementwise(lambda p, o, w: (p + o) * (w * (p + o)), predicted, self.offset, weights)
        )

    def add_change(self, change: Pixels, predicted: Pixels, numbers: NDArray[np.float32]) -> None:
        """Add the change of the residuals by that of the unknown exposures, if there are any."""
        if self.gains.num_unknown:
            elementwise(
                lambda x, p, o, g: x + (p + o) * g,
                *(change, predicted, self.offset, self.gains.of_unknown(numbers)),
                into=change,
            )

    def multiply_gains(self, factors: NDArray[np.float32]) -> None:
        """Multiply the unknown exposures."""
        if self._images is not None:
            self.gains.multiply(factors)
            self._expose(self._images)

    def fit_gains(self, predicted: Pixels) -> None:
        """Make the unknown exposures fit a prediction."""
        if self._images is not None:
            weights = self.loss_weights(predicted)
            weights = elementwise(
                lambda w, x, e: w * x * e,
                *(self.weights, weights, self.is_exact),
                into=weights,
            )
            self.gains.fit(self.light(predicted), self._images, weights)
            self._expose(self._images)

    def _expose(self, images: Pixels) -> None:
        """Bring the pictures to radiance by the present exposures."""
        per_view = self.gains.exposures * np.float32(self.unit)
        self._factors = self._moved(per_view)
        factors = self.gains.rows(per_view)
        self.observed: Pixels = elementwise(lambda i, f, o: i / f - o, images, factors, self.offset)
        self._gain = self.gains.rows(per_view / self._mean)


def _light_of(values: Pixels, exposures: Pixels) -> Pixels:
    """Radiance of values, by their exposures."""
    light: Pixels = np.maximum(values / exposures, 0)
    return light


def _target(predicted: Pixels, observed: Pixels, is_over: Pixels, is_under: Pixels) -> Pixels:
    """Observed values, or predicted ones beyond those that are clipped."""
    above = np.where(is_over, np.maximum(observed, predicted), observed)
    return np.where(is_under, np.minimum(observed, predicted), above)


def _where_counted(weights: Pixels, values: Pixels) -> Pixels:
    """Values whose weight is not 0; 0 for the others."""
    return np.where(weights > 0, values, np.float32(0))


def _noise_of_light(view: View, factor: Pixels, predicted: Pixels, offset: Pixels) -> Pixels:
    """Variance of radiance, from that of values, which are so many times as large."""
    variance: Pixels = view.variance(factor * (predicted + offset)) / factor**2
    return variance


def _mean_where(counts: Pixels, values: Pixels) -> float:
    """The mean of the values that count."""
    if library_of(values).is_on_card:  # CuPy has no `where`
        return float(np.mean(values[counts]))
    return float(np.mean(values, where=counts))
