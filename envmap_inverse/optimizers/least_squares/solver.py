"""Reweighted least squares with bounds, on a recorded light transport."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse import metrics
from envmap_inverse.errors import InputError
from envmap_inverse.optimizers.least_squares import stopping
from envmap_inverse.optimizers.least_squares.conjugate_gradients import (
    conjugate_gradients,
    projected_step,
)
from envmap_inverse.optimizers.least_squares.filling import measured, radiance
from envmap_inverse.optimizers.least_squares.held_out import HeldOutPixels
from envmap_inverse.optimizers.least_squares.levels import least_values, scaled_start
from envmap_inverse.optimizers.least_squares.multiplicative import factors
from envmap_inverse.optimizers.least_squares.pictures import Pictures, Pixels
from envmap_inverse.optimizers.least_squares.smooth import is_blurred, smooth_factor
from envmap_inverse.optimizers.least_squares.verdict import verdict
from envmap_inverse.optimizers.least_squares.weighting import Spread, balance, share_of_paths
from envmap_inverse.optimizers.protocol import State, Step
from envmap_inverse.problem.posterior import Posterior
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.solution import Solution
from envmap_inverse.quadratics import Quadratic
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.system.arrays import as_columns, to_host

__all__ = ["LeastSquares", "Settings"]

Texels = NDArray[Any]
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

    Rounds go on as long as they predict held-out pixels better, and residuals are not far below the
    recording's noise; the last one sees all pixels.

    Maps have shape (H * W, 3) and pictures (pixels of all views, 3), in columns. Both are radiance
    in units of the pictures' mean, without other emitters' light, and lie where the recording does.

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
        held_out: NDArray[np.int64] | None = None,
    ) -> None:
        """Scale everything to the pictures' mean.

        Args:
            settings: how to solve.
            problem: what to solve.
            transport: the recording of the problem's views.
            phases: seconds that led here, for the solution.
            held_out: an earlier choice of pixels to hold out; see `HeldOutPixels`.
        """
        self.phases = dict(phases or {})
        self.settings, self.problem, self.transport = settings, problem, transport
        self.pictures = Pictures(problem, transport.offset, transport.library)
        self.gains, self.unit = self.pictures.gains, self.pictures.unit
        self.held_out = HeldOutPixels(problem.views, self.pictures, settings.rounds, held_out)
        self.weights = self.held_out.weights
        self._balance = self._balanced()
        self.is_smoothed = bool(problem.priors) and is_blurred(transport)
        start = np.maximum(problem.initial.reshape(-1, 3), np.float32(0)) / np.float32(self.unit)
        self.initial: Texels = as_columns(transport.library.array(start))
        self.is_filled = True
        self._look()
        self.begin()

    def begin(self) -> None:
        """Begin at the start map, at the level of the pictures."""
        self.predicted = self.transport.matvec(self.initial)
        weights = self.pictures.known_weights(self.weights * self.pictures.is_exact)
        self.centre = scaled_start(self.initial, self.predicted, self.pictures.observed, weights)
        # Texels that nothing sees keep the start value, unless a prior reaches them.
        unseen = self.centre if self.problem.priors else self.initial
        self.texels: Texels = np.where(self.seen, self.centre, unseen)
        self.forget_prediction()
        self.is_finished = self._is_settled = False
        self._kept: Texels | None = None
        self.share_unresolved = 1.0
        self.loss = np.inf

    # The steps of a run

    def begin_at(self, radiance: Texels) -> None:
        """Take a map to go on from."""
        self.texels = radiance / np.float32(self.unit)
        self.forget_prediction()
        self.loss = self.pictures.mean_loss(self.predicted)

    def step(self, index: int) -> Step:
        """Warm up first; then take one projected Newton step of the reweighted problem."""
        if index == 0:
            self._warm_up()
        else:
            self._take(index)
        self.loss = self.pictures.mean_loss(self.predicted)
        return self.report()

    def advance(self) -> Step:
        """Warm up and take a round that no held-out pixel takes part in."""
        self._warm_up()
        self._correct()
        self._round(stopping.ENOUGH_TO_GO_ON)
        self.loss = self.pictures.mean_loss(self.predicted)
        return self.report()

    def _take(self, index: int) -> None:
        """Take a round, the last one if held-out pixels have settled."""
        if index == 1:
            self._correct()
        is_last = self._is_settled or index == self.settings.rounds
        if self._kept is None and (is_last or index == self.held_out.until):
            self.held_out.measure(self.transport, self.texels, self.predicted)
            self.see_all()
        before = self.held_out.loss(self.predicted)
        self._round()
        self._correct()
        if is_last:
            self.is_finished = True
        elif self._kept is None:
            is_in_vain = stopping.has_settled(before, self.held_out.loss(self.predicted))
            self._is_settled = is_in_vain or stopping.is_below_noise(self.share_of_paths())

    @functools.cached_property
    def predicted(self) -> Pixels:
        """The pictures by the map."""
        return self.transport.matvec(self.texels)

    def forget_prediction(self) -> None:
        """Let go of it; it is made from the map when it is asked for."""
        vars(self).pop("predicted", None)

    @property
    def radiance(self) -> Texels:
        """The present map."""
        return self.texels * np.float32(self.unit)

    @property
    def without_held_out(self) -> Texels:
        """The last map in which held-out pixels had no part."""
        return self.texels if self._kept is None else self._kept

    def see_all(self) -> None:
        """Hold no pixel out any longer."""
        self._kept = self.texels
        self.weights = self.pictures.weights
        self._look()

    def report(self) -> Step:
        """The present map as that of an iteration; made when asked for."""
        width, height = self.transport.image_sizes[0]
        first = slice(width * height)
        predicted, offset = self.predicted[first].copy(), self.transport.offset[first]
        unit = np.float32(self.unit)  # a step outlives its solver

        def image() -> NDArray[np.float32]:
            light = to_host(predicted) * unit + offset
            return np.ascontiguousarray(light.reshape(height, width, 3))

        texels, truth = self._map(), self.problem.ground_truth
        error = None if truth is None else float(metrics.sum_of_squared_errors(texels(), truth))
        return Step(loss=self.loss, error=error, texels=texels, image=image)

    def run(self) -> Step:
        """Take all steps."""
        for index in range(1 + self.settings.rounds):
            if not self.is_finished:
                self.step(index)
        return self.report()

    def state(self) -> State:
        """See `Solver`."""
        return {
            "texels": to_host(self.texels),
            "held_out": to_host(self.held_out.measures),
            "unresolved": np.array(self.share_unresolved),
            "is_settled": np.array([self._is_settled, self._kept is not None, self.is_finished]),
        }

    def restore(self, state: State, num_done: int) -> None:
        """See `Solver`."""
        texels, like = state["texels"], self.initial
        fits = "unresolved" in state and (texels.shape, texels.dtype) == (like.shape, like.dtype)
        if not (fits and np.isfinite(texels).all()):
            raise InputError("the checkpoint does not fit the run; begin again with --overwrite")
        self.held_out.measures = self.transport.library.array(state["held_out"])
        self.share_unresolved = float(state["unresolved"])
        self._is_settled, sees_all, self.is_finished = state["is_settled"].tolist()
        if sees_all:
            self.see_all()
        if num_done > 0:
            self.texels = as_columns(self.transport.library.array(texels))
            self.forget_prediction()
            self.loss = self.pictures.mean_loss(self.predicted)

    def solution(self) -> Solution:
        """See `Solver`."""
        status = verdict(self.transport, self.initial, self.pictures, self.held_out, self.loss)
        return Solution(
            texels=self._map()(),
            coverage=self.as_map(self.transport.rmatvec(self.weights) / np.float32(3 * self.unit)),
            posterior=Posterior(self.transport, self.texels, self._variance(), self.unit),
            exposures=self.gains.exposures,
            transport=self.transport,
            phases=self.phases,
            status=status,
            held_out=self.held_out.result,
            is_settled=self._is_settled,
            steps="rounds",
        )

    def _warm_up(self) -> None:
        """Take multiplicative steps, as many as asked for or until held-out pixels settle."""
        wanted, floor = self.settings.warm_up, self.settings.noise_floor
        loss = self.held_out.loss(self.predicted)
        for _ in range(stopping.MOST_FACTORS if wanted is None else wanted):
            self.pictures.fit_gains(self.predicted)
            weights = self.weights * self._balance
            found = factors(self.transport, self.pictures, weights, self.predicted, floor)
            self.texels = np.where(self.seen, self.texels * found, self.texels)
            self.forget_prediction()
            before, loss = loss, self.held_out.loss(self.predicted)
            if wanted is None and stopping.has_settled(before, loss):
                break
        self.pictures.fit_gains(self.predicted)

    def _look(self) -> None:
        """Note which texels the pixels see, and measure, that the next steps see."""
        columns = self.transport.rmatvec(self.weights)
        self.seen: NDArray[np.bool_] = columns > 1e-7 * columns.max()  # shape (H * W, 3)
        self.measured = self.seen.any(axis=1)
        if self.pictures.is_over.any():
            not_over = self.transport.rmatvec(self.weights * ~self.pictures.is_over)
            self.measured &= measured(columns, not_over)

    def _round(self, enough: float = stopping.ENOUGH) -> None:
        least = least_values(self.texels, self.transport.resolution, bool(self.problem.priors))
        if (self.texels < least).any():
            self.texels = np.maximum(self.texels, least)
            self.forget_prediction()
        weights, factor = self.weighting()
        weights *= self.pictures.pulls(self.predicted)
        forms = self._quadratics(factor)
        hessian = self._hessian(weights, forms)
        from_priors = sum(form.matrix @ (self.texels - form.centre) for form in forms)
        gradient = self._adjoint(self.pictures.slopes(weights, self.predicted), from_priors)
        vector = self._vector(self.texels, np.zeros(self.gains.num_unknown, np.float32))
        bounds = self._vector(least, np.full(self.gains.num_unknown, -1, np.float32))
        free = (vector > bounds) | (gradient < 0)
        free[self.texels.size :] = True
        light_sums = self.pictures.light_squares(weights, self.predicted)
        step = conjugate_gradients(
            hessian,
            -gradient * free,
            self._vector(self._diagonal(weights, forms), light_sums),
            free,
            self.settings.iterations or stopping.MOST_ITERATIONS,
            self.settings.tolerance,
            0.0 if self.settings.iterations else enough,
        )
        vector = projected_step(vector, step, gradient, hessian, bounds)
        self.pictures.multiply_gains(np.exp(to_host(vector[self.initial.size :])))
        self.texels = self._texels_of(vector)
        self.forget_prediction()
        self.pictures.fit_gains(self.predicted)

    def _correct(self) -> None:
        """Multiply the map by the smooth factor that the pictures want, if light is blurred."""
        if not self.is_smoothed:
            return
        missing = self.pictures.observed - self.predicted
        factor = smooth_factor(self.transport, self.texels, missing, self._variance())
        self.texels = self.texels * factor
        self.forget_prediction()
        self.pictures.fit_gains(self.predicted)

    def _hessian(self, weights: Pixels, forms: Sequence[Quadratic]) -> Callable[[Vector], Vector]:
        """The Hessian of the reweighted problem, as a function of a vector of all unknowns."""
        weighted = self.transport.weighted(weights)

        def hessian(step: Vector) -> Vector:
            change = self._texels_of(step)
            from_priors = sum(form.matrix @ change for form in forms)
            if self.gains.num_unknown:
                pixels = self.transport.matvec(change)
                self.pictures.add_change(pixels, self.predicted, step[self.initial.size :])
                pixels *= weights
                return self._adjoint(pixels, from_priors)
            normal = weighted.normal(change) + from_priors
            return self._vector(normal, step[self.initial.size :])

        return hessian

    # The unknowns as one vector

    def _adjoint(self, pixels: Pixels, texels: Texels | float) -> Vector:
        """The transpose of the residuals' derivative; to its texels the other is added."""
        return self._vector(
            self.transport.rmatvec(pixels) + texels,
            self.pictures.light_sums(pixels, self.predicted),
        )

    def _vector(self, texels: Texels, gains: Vector) -> Vector:
        """All unknowns as one vector."""
        return np.concatenate([texels.T.ravel(), self.transport.library.array(gains)])

    def _texels_of(self, vector: Vector) -> Texels:
        """The texels of such a vector, a view of it."""
        return vector[: self.initial.size].reshape(3, -1).T

    def _diagonal(self, weights: Pixels, forms: Sequence[Quadratic]) -> Texels:
        """Diagonal of the Hessian with respect to the texels; positive."""
        diagonal = self.transport.gram_diagonal(weights)
        for form in forms:
            diagonal += form.matrix.diagonal()[:, None]
        return np.maximum(diagonal, np.float32(1e-20))

    # Weights and priors

    def weighting(self) -> tuple[Pixels, float]:
        """Weights of the squared differences, and by how much more the priors count."""
        spread = Spread.of(self.transport, self.pictures, self.texels, self.predicted)
        floor = self.settings.noise_floor
        if self._kept is None:
            held_out = self.held_out.pixels
            missing = self.pictures.observed[held_out] - self.predicted[held_out]
            self.share_unresolved = spread.share_unresolved(held_out, missing, floor)
        return spread.weighting(self.weights * self._balance, floor, self.share_unresolved)

    def _balanced(self) -> Pixels | np.float32:
        """See `balance`; 1 where no picture says what another one leaves open."""
        views, is_exact = self.problem.views, self.pictures.is_exact
        if len(views) < 2 or is_exact.all():
            return np.float32(1)
        return balance(self.transport, self.pictures.weights, is_exact, len(views))

    def share_of_paths(self) -> float:
        """Noise of the recording, as a share of the squares of the residuals."""
        parts = self.transport, self.pictures, self.texels, self.predicted, self.weights
        return share_of_paths(*parts)

    def _quadratics(self, factor: float) -> Sequence[Quadratic]:
        """The forms that stand for the priors near the present map, times a factor."""
        width, height = self.transport.resolution
        maps = [array.reshape(height, width, 3) for array in (self.texels, self.centre)]
        return [prior.quadratic(*maps).times(factor) for prior in self.problem.priors]

    def as_map(self, texels: Texels) -> NDArray[np.float32]:
        """Texels in radiance, shape (H, W, 3), on the processor."""
        width, height = self.transport.resolution
        return np.ascontiguousarray(
            to_host(texels).reshape(height, width, 3) * np.float32(self.unit)
        )

    def _map(self) -> Callable[[], NDArray[np.float32]]:
        """Make the present map in radiance; not filled in without priors."""
        return partial(
            radiance,
            *(self.texels, self.centre, self.seen, self.measured),
            resolution=self.transport.resolution,
            unit=self.unit,
            is_filled=bool(self.problem.priors) and self.is_filled,
        )

    def _variance(self) -> Pixels:
        recorded = self.transport.variance(self.texels)
        return self.pictures.variance(self.predicted, recorded, self.weights)
