"""Reweighted least squares with bounds, on a recorded light transport."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse import metrics
from envmap_inverse.losses import RelativeMSE
from envmap_inverse.priors import Quadratic, Tikhonov, TotalVariation
from envmap_inverse.problem.problem import Iteration, Problem, Record, start_exposures
from envmap_inverse.recording.light_transport import LightTransport

__all__ = ["LeastSquares", "Settings", "with_found_exposures"]

FLOOR = 0.01
STEPS = 7, 16
STEPS_PER_SPREAD = 40
"""What blurs light makes texels hard to tell apart: more steps are worth their time. Where it is
clear, multiplicative steps soon fit the noise of single pixels, with specks."""

HALVINGS = 40
LEAST_FACTOR = 0.05

Texels = NDArray[Any]
Pixels = NDArray[Any]
Vector = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What `Transport` has of the same names."""

    rounds: int = 3
    iterations: int | None = None
    tolerance: float = 1e-3
    warm_up: int | None = None
    noise_floor: float = 0.5


class LeastSquares:
    """One problem on one recording.

    Maps have shape (H * W, 3) and pictures (pixels of all views, 3), in columns. Both are radiance
    in units of the pictures' mean; other emitters' light is taken out.

    Exposures g that are not known are solved for with the map. The residual g (T x + c) - b, in
    units of g, has the derivatives T and T x + c with respect to x and log g: the unknowns are one
    vector, the texels channel by channel and then the change of each free log g.
    """

    def __init__(self, settings: Settings, problem: Problem, transport: LightTransport) -> None:
        self.settings, self.problem, self.transport = settings, problem, transport
        steps = int(np.clip(round(STEPS_PER_SPREAD * transport.spread), *STEPS))
        self.iterations = settings.iterations or steps
        self.warm_up = (steps + 1) // 2 if settings.warm_up is None else settings.warm_up
        views = problem.views
        # Of the objective's pixels, times 3 so that those of a channel sum to 1.
        self.weights = _stacked([v.weights * np.float32(3 / len(views)) for v in views])
        self.images: Pixels = np.where(
            self.weights > 0, _stacked([v.image for v in views]), np.float32(0)
        )
        self.is_over = _stacked([v.is_over for v in views]) > 0
        self.is_under = _stacked([v.is_under for v in views]) > 0
        self.is_exact = ~(self.is_over | self.is_under)
        self.view_sizes = [v.image[:, :, 0].size for v in views]
        exposures, self.gain_index = start_exposures(views)
        self.num_gains = int(self.gain_index.max()) + 1
        self.no_gains = np.zeros(0, np.float32)
        is_known = self.rows(self.gain_index < 0)
        light = np.maximum(self.images / self.rows(exposures), 0)
        known = self.weights * is_known
        self.unit = float(np.sum(known * light) / np.sum(known)) or 1.0
        self.set_inverse_gains(1 / (exposures * np.float32(self.unit)))
        start = np.maximum(problem.initial.reshape(-1, 3), np.float32(0))
        self.initial: Texels = np.asfortranarray(start / np.float32(self.unit))
        columns = transport.rmatvec(self.weights)
        self.seen = columns > 1e-7 * columns.max()
        self.columns = np.where(self.seen, columns, np.float32(1))

    def steps(self, after: tuple[int, Texels | None] = (0, None)) -> Iterator[Texels]:
        """The map after the warm-up and after each round.

        Args:
            after: how many of these there have been already, and the last one.
        """
        self.predicted = self.transport.matvec(self.initial)
        self.centre = self.scaled_start()
        num_done, texels = after
        if texels is None or num_done == 0:
            texels = self.warmed_up()
            yield texels
        else:
            texels = np.asfortranarray(texels)
            self.predicted = self.transport.matvec(texels)
        for _ in range(max(num_done - 1, 0), self.settings.rounds):
            texels = self.round(texels)
            yield texels

    def warmed_up(self) -> Texels:
        """The map after the multiplicative steps."""
        texels: Texels = np.where(self.seen, self.centre, self.start_of_unseen())
        self.predicted = self.transport.matvec(texels)
        for _ in range(self.warm_up):
            self.fit_gains()
            ratio = np.maximum(self.target(), 0) / np.maximum(self.predicted, np.float32(1e-4))
            weighted: Pixels = self.weights * ratio.astype(np.float32)
            factor = self.transport.rmatvec(weighted) / self.columns
            texels = np.where(self.seen, texels * factor, texels)
            self.predicted = self.transport.matvec(texels)
        self.fit_gains()
        return texels

    def scaled_start(self) -> Texels:
        """The start map, times the factor per channel that fits the pictures best."""
        is_known = self.rows(self.gain_index < 0)
        weights = self.weights * self.loss_weights(self.predicted * 0) * self.is_exact * is_known
        fitted = np.sum(weights * self.predicted * self.observed, axis=0)
        scale = fitted / np.maximum(np.sum(weights * self.predicted**2, axis=0), 1e-30)
        scaled = self.initial * np.maximum(scale, 0).astype(np.float32)
        # A texel at 0 could not grow by factors.
        return np.asfortranarray(np.where(self.initial > 0, scaled, np.float32(FLOOR)))

    def start_of_unseen(self) -> Texels:
        """Texels that nothing sees keep the start value, unless a prior reaches them."""
        return self.centre if self.problem.priors else self.initial

    def target(self) -> Pixels:
        """The value nearest to the prediction that the pictures allow."""
        if self.is_exact.all():
            return self.observed
        above = np.where(self.is_over, np.maximum(self.observed, self.predicted), self.observed)
        return np.where(self.is_under, np.minimum(self.observed, self.predicted), above)

    def round(self, texels: Texels) -> Texels:
        """One projected Newton step of the reweighted problem."""
        # A clipped value has no pull while its bound is met.
        pulls = self.is_exact | (self.target() == self.observed)
        weights: Pixels = self.pixel_weights(texels) * pulls
        forms = self.quadratics(texels)

        def hessian(step: Vector) -> Vector:
            change = self.texels_of(step)
            from_priors = sum(form.matrix @ change for form in forms)
            if self.num_gains:
                return self.adjoint(weights * self.forward(step), from_priors)
            return self.vector(self.transport.normal(change, weights) + from_priors, self.no_gains)

        from_priors = sum(form.matrix @ (texels - form.centre) for form in forms)
        gradient = self.adjoint(weights * (self.predicted - self.observed), from_priors)
        vector = self.vector(texels, np.zeros(self.num_gains, np.float32))
        free = (vector > 0) | (gradient < 0)
        free[texels.size :] = True
        step = _conjugate_gradients(
            hessian,
            -gradient * free,
            self.vector(self.diagonal(weights, forms), self.light_sums(weights * self.light())),
            free,
            self.iterations,
            self.settings.tolerance,
        )
        return self.line_search(vector, step, gradient, hessian)

    def line_search(
        self, vector: Vector, step: Vector, gradient: Vector, hessian: Callable[[Vector], Vector]
    ) -> Texels:
        """Halve the step until its projection on the bounds lowers the quadratic objective."""
        least = self.vector(self.initial * 0, np.full(self.num_gains, -1, np.float32))
        for _ in range(HALVINGS):
            moved: Vector = np.maximum(vector + step, least)
            change = moved - vector
            if np.sum(change * gradient) + np.sum(change * hessian(change)) / 2 <= 0:
                vector = moved
                break
            step = np.float32(0.5) * step
        self.multiply_gains(np.exp(vector[self.initial.size :]))
        self.predicted = self.transport.matvec(self.texels_of(vector))
        self.fit_gains()
        return self.texels_of(vector)

    def forward(self, step: Vector) -> Pixels:
        """What a step of the unknowns changes in the residuals."""
        product = self.transport.matvec(self.texels_of(step))
        if self.num_gains:
            product += self.light() * self.rows_of_gains(step[self.initial.size :])
        return product

    def adjoint(self, pixels: Pixels, texels: Texels | float) -> Vector:
        """The transpose of `forward`; to its texels the second argument is added."""
        return self.vector(self.transport.rmatvec(pixels) + texels, self.light_sums(pixels))

    def vector(self, texels: Texels, gains: Vector) -> Vector:
        """All unknowns as one vector."""
        return np.concatenate([texels.T.ravel(), gains])

    def texels_of(self, vector: Vector) -> Texels:
        """The texels of such a vector, a view of it."""
        return vector[: self.initial.size].reshape(3, -1).T

    def diagonal(self, weights: Pixels, forms: Sequence[Quadratic]) -> Texels:
        """Diagonal of the Hessian with respect to the texels; positive."""
        diagonal = self.transport.gram_diagonal(weights)
        for form in forms:
            diagonal += form.matrix.diagonal()[:, None]
        return np.maximum(diagonal, np.float32(1e-20))

    # Exposures

    @property
    def exposures(self) -> NDArray[np.float32]:
        """Of each view and channel, shape (views, 3)."""
        return np.asarray(1 / (self.inverse_gains * np.float32(self.unit)), np.float32)

    def set_inverse_gains(self, inverse_gains: NDArray[Any]) -> None:
        """Take numbers per view and channel, (views, 3), for the inverse of the exposures."""
        self.inverse_gains = inverse_gains
        rows = self.rows(inverse_gains)
        self.observed: Pixels = self.images * rows - self.transport.offset / np.float32(self.unit)
        # Losses see pictures in units of their mean, whatever the exposure.
        mean = float(np.sum(self.weights * np.maximum(self.images, 0))) / 3 or 1.0
        self.gain: Pixels = 1 / (rows * np.float32(mean))

    def multiply_gains(self, factors: Vector) -> None:
        """Multiply the unknown exposures."""
        if self.num_gains:
            is_free = self.gain_index >= 0
            factor = np.where(is_free, factors[self.gain_index], np.float32(1))
            self.set_inverse_gains(self.inverse_gains / factor)

    def fit_gains(self) -> None:
        """Make the unknown exposures fit the present prediction, relative to the known ones.

        By least squares over the exposures, as the prediction has less noise than the pictures. It
        is a little too dark where priors or noise shrink it; so it is for the known ones, by whose
        factor the others are divided.
        """
        if self.num_gains:
            weights = self.weights * self.loss_weights(self.predicted) * self.is_exact
            light, observed = self.light(), self.images * self.rows(self.inverse_gains)
            is_known = self.rows(self.gain_index < 0)
            products, squares = weights * light * observed, weights * light**2
            of_known = np.sum(is_known * products) / np.sum(is_known * squares)
            factors = self.sums_of_gains(products) / self.sums_of_gains(squares)
            self.multiply_gains(np.clip(factors / of_known, LEAST_FACTOR, 1 / LEAST_FACTOR))

    def light(self) -> Pixels:
        """The predicted light, that of other emitters included."""
        return self.predicted + self.transport.offset / np.float32(self.unit)

    def rows(self, per_view: NDArray[np.generic]) -> Pixels:
        """Numbers per view and channel, (views, 3), for each pixel."""
        return np.asfortranarray(np.repeat(per_view, self.view_sizes, axis=0), np.float32)

    def rows_of_gains(self, gains: Vector) -> Pixels:
        """The free ones for each pixel, 0 for the known ones."""
        return self.rows(np.where(self.gain_index >= 0, gains[self.gain_index], 0))

    def light_sums(self, pixels: Pixels) -> Vector:
        """What a change of each free exposure does to the residuals, times pixels."""
        return self.sums_of_gains(self.light() * pixels) if self.num_gains else self.no_gains

    def sums_of_gains(self, pixels: Pixels) -> Vector:
        """The transpose of `rows_of_gains`."""
        starts = np.cumsum([0, *self.view_sizes[:-1]])
        is_free = self.gain_index >= 0
        sums = np.add.reduceat(pixels, starts, axis=0)[is_free]
        return np.bincount(self.gain_index[is_free], sums, self.num_gains).astype(np.float32)

    # Losses

    def pixel_weights(self, texels: Texels) -> Pixels:
        """Weights of the squared differences: of the loss, of the views, and for noise."""
        weight = self.loss_weights(self.predicted)
        noise = weight * self.transport.variance(texels) / np.float32(self.settings.noise_floor**2)
        return np.asarray(self.weights * weight / (1 + noise), np.float32)

    def loss_weights(self, predicted: Pixels) -> Pixels:
        """The loss's weights of squared differences in radiance."""
        gain = self.gain
        weight = self.problem.loss.weight(gain * predicted, gain * self.observed)
        return np.asarray(gain**2 * weight, np.float32)

    def losses(self) -> Pixels:
        """The loss of each value of the pictures."""
        return np.asarray(self.problem.loss(self.gain * self.predicted, self.gain * self.target()))

    def quadratics(self, texels: Texels) -> Sequence[Quadratic]:
        """The forms that stand for the priors near a map."""
        width, height = self.transport.resolution
        maps = [array.reshape(height, width, 3) for array in (texels, self.centre)]
        return [prior.quadratic(*maps) for prior in self.problem.priors]

    # Results

    def as_map(self, texels: Texels) -> NDArray[np.float32]:
        """In radiance, shape (H, W, 3)."""
        width, height = self.transport.resolution
        return np.ascontiguousarray(texels.reshape(height, width, 3) * np.float32(self.unit))

    def record(self, index: int, texels: Texels, seconds: float) -> Record:
        """The line of the history."""
        truth = self.problem.ground_truth
        error = None if truth is None else metrics.sum_of_squared_errors(self.as_map(texels), truth)
        loss = float(np.sum(self.weights * self.losses()) / 3)
        return Record(index=index, loss=loss, error=error, seconds=seconds)

    def iteration(self, record: Record, texels: Texels) -> Iteration:
        """What `on_iteration` is told."""
        predicted = self.predicted
        width, height = self.transport.image_sizes[0]
        first = slice(0, width * height)

        def image() -> NDArray[np.float32]:
            light = predicted[first] * np.float32(self.unit) + self.transport.offset[first]
            return np.ascontiguousarray(light.reshape(height, width, 3))

        return Iteration(
            **vars(record),
            texels_on_device=lambda: self.as_map(texels),
            image_on_device=image,
        )

    def coverage(self) -> NDArray[np.float32]:
        """Column sums of T over the weighted pixels, averaged over the views."""
        return self.as_map(self.transport.rmatvec(self.weights) / np.float32(3 * self.unit))

    def deviation(self, texels: Texels) -> NDArray[np.float32]:
        """Standard deviation of each texel if the others were known: a lower bound.

        It is sqrt(s / diag(H)), with H the Hessian of the objective and s the mean weighted square
        of the residuals over the mean weight, each pixel's noise being taken for as large as the
        inverse root of its weight.
        """
        weights: Pixels = self.pixel_weights(texels) * self.is_exact
        residual = self.predicted - self.observed
        level = np.float32(np.sum(weights * residual**2) / np.count_nonzero(weights))
        return self.as_map(np.sqrt(level / self.diagonal(weights, self.quadratics(texels))))


def with_found_exposures(
    problem: Problem, transport: LightTransport, settings: Settings | None = None
) -> Problem:
    """The problem with a number for each exposure "auto".

    They come from a solution with weak priors, most of it by the multiplicative steps, which have
    none: a preference for smooth maps makes those parts of the map darker that only pictures of
    unknown exposure see. Its loss is relative, whatever the problem's, so that a few bright pixels
    do not decide.
    """
    weak = (Tikhonov(weight=0.0015), TotalVariation(weight=0.01))
    run = LeastSquares(
        replace(settings or Settings(), warm_up=16),
        replace(problem, loss=RelativeMSE(), priors=weak),
        transport,
    )
    for _ in run.steps():
        pass
    views = zip(problem.views, run.exposures, strict=True)
    return replace(problem, views=tuple(replace(view, exposure=found) for view, found in views))


def _stacked(images: Sequence[NDArray[Any]]) -> Pixels:
    """Images one below the other, shape (pixels, 3), in columns."""
    rows = [image.reshape(-1, 3) for image in images]
    return np.asfortranarray(np.concatenate(rows), dtype=np.float32)


def _conjugate_gradients(
    matrix: Callable[[Vector], Vector],
    target: Vector,
    diagonal: Vector,
    free: NDArray[np.bool_],
    iterations: int,
    tolerance: float,
) -> Vector:
    """Solve matrix x = target over the free entries, preconditioned with the diagonal."""
    solution, residual = np.zeros_like(target), target.copy()
    scaled = residual / diagonal
    direction = scaled.copy()
    product = first = float(np.sum(residual * scaled))
    for _ in range(iterations):
        if product <= tolerance**2 * first:
            break
        image = matrix(direction) * free
        length = product / max(float(np.sum(direction * image)), 1e-30)
        solution += np.float32(length) * direction
        residual -= np.float32(length) * image
        scaled = residual / diagonal
        before, product = product, float(np.sum(residual * scaled))
        direction = scaled + np.float32(product / before) * direction
    return solution
