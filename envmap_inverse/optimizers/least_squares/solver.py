"""Reweighted least squares with bounds, on a recorded light transport."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse import metrics
from envmap_inverse.errors import InputError
from envmap_inverse.optimizers.least_squares.gains import Gains
from envmap_inverse.optimizers.protocol import State, Step
from envmap_inverse.priors import Quadratic
from envmap_inverse.problem.problem import Problem, Solution
from envmap_inverse.recording.light_transport import LightTransport

__all__ = ["LeastSquares", "Settings"]

FLOOR = 0.01
STEPS = 7, 16
STEPS_PER_SPREAD = 40
"""What blurs light makes texels hard to tell apart: more steps are worth their time. Where it is
clear, multiplicative steps soon fit the noise of single pixels, with specks."""

HALVINGS = 40

Texels = NDArray[Any]
Pixels = NDArray[Any]
Vector = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to solve; `Transport` has the same settings, and documents them."""

    rounds: int = 3
    iterations: int | None = None
    tolerance: float = 1e-3
    warm_up: int | None = None
    noise_floor: float = 0.5


class LeastSquares:
    """A `Solver` of one problem on one recording; its first step warms up, the others are rounds.

    Maps have shape (H * W, 3) and pictures (pixels of all views, 3), in columns. Both are radiance
    in units of the pictures' mean; other emitters' light is taken out.

    Exposures g that are not known are solved for with the map. The residual g (T x + c) - b, in
    units of g, has the derivatives T and T x + c with respect to x and log g: the unknowns are one
    vector, the texels channel by channel and then the change of each free log g.
    """

    def __init__(
        self,
        settings: Settings,
        problem: Problem,
        transport: LightTransport,
        *,
        phases: Mapping[str, float] | None = None,
    ) -> None:
        """Scale everything to the pictures' mean.

        Args:
            settings: how to solve.
            problem: what to solve.
            transport: the recording of the problem's views.
            phases: seconds that led here, for the solution.
        """
        self.phases = dict(phases or {})
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
        self.gains = Gains(views)
        light = np.maximum(self.images / self.gains.rows(self.gains.exposures), 0)
        known = self.weights * self.gains.is_known()
        self.unit = float(np.sum(known * light) / np.sum(known)) or 1.0
        self.offset: Pixels = transport.offset / np.float32(self.unit)
        self._expose()
        start = np.maximum(problem.initial.reshape(-1, 3), np.float32(0))
        self.initial: Texels = np.asfortranarray(start / np.float32(self.unit))
        columns = transport.rmatvec(self.weights)
        self.seen = columns > 1e-7 * columns.max()
        self.columns = np.where(self.seen, columns, np.float32(1))
        self.predicted = transport.matvec(self.initial)
        self.centre = self._scaled_start()
        self.texels: Texels = self.initial

    # The steps of a run

    def step(self, index: int) -> Step:
        """Warm up first; then take one projected Newton step of the reweighted problem."""
        if index == 0:
            self._warm_up()
        else:
            self._round()
        return Step(
            loss=float(np.sum(self.weights * self.losses()) / 3),
            error=self._error(),
            texels=self._deferred_map(),
            image=self._deferred_image(),
        )

    def run(self) -> None:
        """Take all steps."""
        for index in range(1 + self.settings.rounds):
            self.step(index)

    def state(self) -> State:
        """See `Solver`."""
        return {"texels": self.texels}

    def restore(self, state: State, num_done: int) -> None:
        """See `Solver`."""
        texels, like = state["texels"], self.initial
        fits = (texels.shape, texels.dtype) == (like.shape, like.dtype)
        if not fits or not np.isfinite(texels).all():
            raise InputError("the checkpoint does not fit the run; begin again with --overwrite")
        if num_done > 0:
            self.texels = np.asfortranarray(texels)
            self.predicted = self.transport.matvec(self.texels)

    def solution(self) -> Solution:
        """See `Solver`."""
        return Solution(
            texels=self.as_map(self.texels),
            coverage=self.as_map(self.transport.rmatvec(self.weights) / np.float32(3 * self.unit)),
            deviation=self._deviation(),
            exposures=self.gains.exposures,
            phases=self.phases,
        )

    def _warm_up(self) -> None:
        """Take the multiplicative steps."""
        # Texels that nothing sees keep the start value, unless a prior reaches them.
        unseen = self.centre if self.problem.priors else self.initial
        texels: Texels = np.where(self.seen, self.centre, unseen)
        self.predicted = self.transport.matvec(texels)
        for _ in range(self.warm_up):
            self._fit_gains()
            ratio = np.maximum(self.target(), 0) / np.maximum(self.predicted, np.float32(1e-4))
            weighted: Pixels = self.weights * ratio.astype(np.float32)
            factor = self.transport.rmatvec(weighted) / self.columns
            texels = np.where(self.seen, texels * factor, texels)
            self.predicted = self.transport.matvec(texels)
        self._fit_gains()
        self.texels = texels

    def _scaled_start(self) -> Texels:
        """The start map, times the factor per channel that fits the pictures best."""
        weights = self.weights * self.loss_weights(self.predicted * 0) * self.is_exact
        weights = weights * self.gains.is_known()
        fitted = np.sum(weights * self.predicted * self.observed, axis=0)
        scale = fitted / np.maximum(np.sum(weights * self.predicted**2, axis=0), 1e-30)
        scaled = self.initial * np.maximum(scale, 0).astype(np.float32)
        # A texel at 0 could not grow by factors.
        return np.asfortranarray(np.where(self.initial > 0, scaled, np.float32(FLOOR)))

    def _round(self) -> None:
        # A clipped value has no pull while its bound is met.
        pulls = self.is_exact | (self.target() == self.observed)
        weights: Pixels = self.pixel_weights() * pulls
        forms = self.quadratics()
        hessian = self._hessian(weights, forms)
        from_priors = sum(form.matrix @ (self.texels - form.centre) for form in forms)
        gradient = self._adjoint(weights * (self.predicted - self.observed), from_priors)
        vector = self._vector(self.texels, np.zeros(self.gains.num_unknown, np.float32))
        free = (vector > 0) | (gradient < 0)
        free[self.texels.size :] = True
        light_sums = self._light_sums(weights * self._light())
        step = _conjugate_gradients(
            hessian,
            -gradient * free,
            self._vector(self.diagonal(weights, forms), light_sums),
            free,
            self.iterations,
            self.settings.tolerance,
        )
        vector = self._line_search(vector, step, gradient, hessian)
        self._multiply_gains(np.exp(vector[self.initial.size :]))
        self.texels = self._texels_of(vector)
        self.predicted = self.transport.matvec(self.texels)
        self._fit_gains()

    def _hessian(self, weights: Pixels, forms: Sequence[Quadratic]) -> Callable[[Vector], Vector]:
        """The Hessian of the reweighted problem, as a function of a vector of all unknowns."""

        def hessian(step: Vector) -> Vector:
            change = self._texels_of(step)
            from_priors = sum(form.matrix @ change for form in forms)
            if self.gains.num_unknown:
                return self._adjoint(weights * self._forward(step), from_priors)
            normal = self.transport.normal(change, weights) + from_priors
            return self._vector(normal, step[self.initial.size :])

        return hessian

    def _line_search(
        self, vector: Vector, step: Vector, gradient: Vector, hessian: Callable[[Vector], Vector]
    ) -> Vector:
        """Halve the step until its projection on the bounds lowers the quadratic objective."""
        least = self._vector(self.initial * 0, np.full(self.gains.num_unknown, -1, np.float32))
        for _ in range(HALVINGS):
            moved: Vector = np.maximum(vector + step, least)
            change = moved - vector
            if np.sum(change * gradient) + np.sum(change * hessian(change)) / 2 <= 0:
                return moved
            step = np.float32(0.5) * step
        return vector

    # The unknowns as one vector

    def _forward(self, step: Vector) -> Pixels:
        """What a step of the unknowns changes in the residuals."""
        product = self.transport.matvec(self._texels_of(step))
        if self.gains.num_unknown:
            product += self._light() * self.gains.of_unknown(step[self.initial.size :])
        return product

    def _adjoint(self, pixels: Pixels, texels: Texels | float) -> Vector:
        """The transpose of `_forward`; to its texels the second argument is added."""
        return self._vector(self.transport.rmatvec(pixels) + texels, self._light_sums(pixels))

    def _vector(self, texels: Texels, gains: Vector) -> Vector:
        """All unknowns as one vector."""
        return np.concatenate([texels.T.ravel(), gains])

    def _texels_of(self, vector: Vector) -> Texels:
        """The texels of such a vector, a view of it."""
        return vector[: self.initial.size].reshape(3, -1).T

    def diagonal(self, weights: Pixels, forms: Sequence[Quadratic]) -> Texels:
        """Diagonal of the Hessian with respect to the texels; positive."""
        diagonal = self.transport.gram_diagonal(weights)
        for form in forms:
            diagonal += form.matrix.diagonal()[:, None]
        return np.maximum(diagonal, np.float32(1e-20))

    # Exposures

    def _expose(self) -> None:
        """Bring the pictures to radiance by the present exposures."""
        exposures = self.gains.rows(self.gains.exposures * np.float32(self.unit))
        self.observed: Pixels = self.images / exposures - self.offset
        # Losses see pictures in units of their mean, whatever the exposure.
        mean = float(np.sum(self.weights * np.maximum(self.images, 0))) / 3 or 1.0
        self.gain: Pixels = exposures / np.float32(mean)

    def _multiply_gains(self, factors: Vector) -> None:
        if self.gains.num_unknown:
            self.gains.multiply(factors)
            self._expose()

    def _fit_gains(self) -> None:
        """Make the unknown exposures fit the present prediction."""
        if self.gains.num_unknown:
            weights = self.weights * self.loss_weights(self.predicted) * self.is_exact
            self.gains.fit(self._light(), self.images, weights)
            self._expose()

    def _light(self) -> Pixels:
        """The predicted light, that of other emitters included."""
        return self.predicted + self.offset

    def _light_sums(self, pixels: Pixels) -> Vector:
        """What a change of each unknown exposure does to the residuals, times pixels."""
        if not self.gains.num_unknown:
            return np.zeros(0, np.float32)
        return self.gains.sums(self._light() * pixels)

    # Loss and priors

    def target(self) -> Pixels:
        """The value nearest to the prediction that the pictures allow."""
        if self.is_exact.all():
            return self.observed
        above = np.where(self.is_over, np.maximum(self.observed, self.predicted), self.observed)
        return np.where(self.is_under, np.minimum(self.observed, self.predicted), above)

    def pixel_weights(self) -> Pixels:
        """Weights of the squared differences: of the loss, of the views, and for noise."""
        weight = self.loss_weights(self.predicted)
        noise = weight * self.transport.variance(self.texels)
        noise /= np.float32(self.settings.noise_floor**2)
        return np.asarray(self.weights * weight / (1 + noise), np.float32)

    def loss_weights(self, predicted: Pixels) -> Pixels:
        """The loss's weights of squared differences in radiance."""
        gain = self.gain
        weight = self.problem.loss.weight(gain * predicted, gain * self.observed)
        return np.asarray(gain**2 * weight, np.float32)

    def losses(self) -> Pixels:
        """The loss of each value of the pictures."""
        return np.asarray(self.problem.loss(self.gain * self.predicted, self.gain * self.target()))

    def quadratics(self) -> Sequence[Quadratic]:
        """The forms that stand for the priors near the present map."""
        width, height = self.transport.resolution
        maps = [array.reshape(height, width, 3) for array in (self.texels, self.centre)]
        return [prior.quadratic(*maps) for prior in self.problem.priors]

    # Results

    def as_map(self, texels: Texels) -> NDArray[np.float32]:
        """Texels in radiance, shape (H, W, 3)."""
        width, height = self.transport.resolution
        return np.ascontiguousarray(texels.reshape(height, width, 3) * np.float32(self.unit))

    def _error(self) -> float | None:
        truth = self.problem.ground_truth
        if truth is None:
            return None
        return float(metrics.sum_of_squared_errors(self.as_map(self.texels), truth))

    def _deferred_map(self) -> Callable[[], NDArray[np.float32]]:
        texels = self.texels
        return lambda: self.as_map(texels)

    def _deferred_image(self) -> Callable[[], NDArray[np.float32]]:
        """A function that makes the first view, as it is predicted now."""
        predicted = self.predicted
        width, height = self.transport.image_sizes[0]
        first = slice(0, width * height)

        def image() -> NDArray[np.float32]:
            light = predicted[first] * np.float32(self.unit) + self.transport.offset[first]
            return np.ascontiguousarray(light.reshape(height, width, 3))

        return image

    def _deviation(self) -> NDArray[np.float32]:
        """Standard deviation of each texel if the others were known: a lower bound.

        It is sqrt(s / diag(H)), with H the Hessian of the objective and s the mean weighted square
        of the residuals over the mean weight, each pixel's noise being taken for as large as the
        inverse root of its weight.
        """
        weights: Pixels = self.pixel_weights() * self.is_exact
        residual = self.predicted - self.observed
        level = np.float32(np.sum(weights * residual**2) / np.count_nonzero(weights))
        return self.as_map(np.sqrt(level / self.diagonal(weights, self.quadratics())))


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
