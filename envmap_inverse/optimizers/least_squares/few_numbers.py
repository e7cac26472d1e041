"""Least squares for the few numbers of a family of maps, such as harmonics, in place of texels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.light_models.family import Family, texels_of
from envmap_inverse.optimizers.least_squares.bounded_step import bounded_step
from envmap_inverse.optimizers.least_squares.pictures import Pixels
from envmap_inverse.optimizers.least_squares.shown_maps import ShownMaps
from envmap_inverse.optimizers.least_squares.solver import LeastSquares, Settings
from envmap_inverse.optimizers.protocol import State, Step
from envmap_inverse.problem.numbers_posterior import NumbersPosterior
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.solution import Solution
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.system.arrays import as_columns, to_host

__all__ = ["FewNumbers"]

Array = NDArray[Any]

ALIKE = np.float32(2)
"""How many pixels count as one, as errors of the model are alike in neighbours: with it the errors
of harmonics are 0.6 to 1 of their deviations where their order is high enough."""

MAX_STEPS = 4
CLOSE, LEAST_GAIN = 1e-3, 0.02
"""Steps a round for numbers that the map does not follow from linearly; the share of the objective
below which a gain is none, and the gain: by that one, numbers move a fifth of their deviations."""

DAMPING, MOST_DAMPING = 1e-3, 1.0
"""Of the first step, and from where on none is tried, as shares of the Hessian's diagonal."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Target:
    """What the numbers are to explain: squared differences from values, by their weights.

    Attributes:
        values: of pixels, shape (pixels of all views, 3).
        weights: of the same shape.
    """

    values: Pixels
    weights: Pixels


class FewNumbers:
    """A `Solver` for the numbers of a family of maps M(c): the pictures are T M(c).

    In each step the loss is replaced by squared differences at the present map, as `LeastSquares`
    does. With a normal prior on the numbers they are minimized by steps of Levenberg (1944) and
    Marquardt (1963) within bounds, one if the map is linear in them. Else the family names some
    starts; for each, the numbers that the map is linear in are found at once, and the best is
    taken. The covariance is the inverse of the Hessian, and more where the pictures show detail
    that no numbers explain.
    """

    def __init__(
        self,
        settings: Settings,
        problem: Problem,
        transport: LightTransport,
        family: Family,
        *,
        name: str = "",
        phases: Mapping[str, float] | None = None,
    ) -> None:
        """Prepare to solve.

        Args:
            settings: how to solve.
            problem: what to solve; its priors, which are on texels, are not used.
            transport: the recording of the problem's views.
            family: of maps of the recording's resolution.
            name: of the numbers, for the solution.
            phases: seconds that led here, for the solution.

        Raises:
            InputError: if the product of the recording and the maps does not fit into memory.
        """
        self._solver = LeastSquares(settings, problem, transport, phases=phases)
        self._solver.is_filled = False  # numbers reach all texels
        self._family, self._name = family, name
        self.settings, self.problem, self.transport = settings, problem, transport
        self.gains, self.unit = self._solver.gains, self._solver.unit
        self._shown = ShownMaps(problem, transport, family)
        self.numbers: Array = family.mean

    def step(self, index: int) -> Step:
        """Find the numbers for the weights at the present map."""
        solver = self._solver
        if index == 0:
            self._shown.level = float(np.mean(to_host(solver.centre)))
            solver.texels = self._guess() if self._family.is_shape.any() else solver.centre
            solver.predicted = self.transport.matvec(solver.texels)
            solver.pictures.fit_gains(solver.predicted)
        if index == solver.held_out.until:
            solver.held_out.measure(self.transport, solver.texels, solver.predicted)
            solver.see_all()
        if index == self.settings.rounds:
            self._shown.look_closely(self.numbers)
        target = self._target()
        if index == 0:
            self._begin(target)
        self._improve(target)
        self._show()
        solver.loss = solver.pictures.mean_loss(solver.predicted)
        return replace(solver.report(), texels=partial(self._map_of, self.numbers))

    @property
    def predicted(self) -> Pixels:
        """The pictures by the map, shape (pixels of all views, 3), in units of `unit`."""
        return self._solver.predicted

    def run(self) -> None:
        """Take all steps."""
        for index in range(1 + self.settings.rounds):
            self.step(index)

    def state(self) -> State:
        """See `Solver`."""
        level = np.array(self._shown.level)
        return {**self._solver.state(), "numbers": self.numbers, "level": level}

    def restore(self, state: State, num_done: int) -> None:
        """See `Solver`."""
        self._solver.restore(state, num_done)
        self.numbers, self._shown.level = state["numbers"], float(state["level"])
        if num_done > 0:
            self._show()

    def solution(self) -> Solution:
        """See `Solver`."""
        solver = self._solver
        covariance, lacking = self._uncertainty()
        posterior = NumbersPosterior(
            resolution=self.transport.resolution,
            family=self._family,
            numbers=self.numbers,
            covariance=covariance,
            unit=self.unit * self._shown.level,
            lacking=self.unit * lacking,
        )
        return replace(
            solver.solution(),
            texels=self._map_of(self.numbers),
            posterior=posterior,
            parameterization=self._name,
        )

    # Numbers

    def _begin(self, target: _Target) -> None:
        """Take the best start, with the best numbers that the map is linear in."""
        if not self._family.is_shape.any():
            return
        tried, guess = [], np.asarray(to_host(self._solver.texels), np.float64)
        for start in self._family.starts(guess):
            found = start + self._step(start, *self._normal(start, target), keeps_shape=True)
            tried.append((self._objective(found, target), found))
        _, self.numbers = min(tried, key=lambda each: each[0])

    def _guess(self) -> Array:
        """The map of texels that explains the pictures."""
        solver = LeastSquares(self.settings, self.problem, self.transport)
        solver.run()
        return solver.texels

    def _improve(self, target: _Target) -> None:
        """Take steps as long as they lower the objective."""
        if not self._family.is_shape.any():
            step = self._step(self.numbers, *self._normal(self.numbers, target))
            self.numbers = self.numbers + step
            return
        damping, before = DAMPING, self._objective(self.numbers, target)
        for _ in range(MAX_STEPS):
            hessian, pull = self._normal(self.numbers, target)
            while damping <= MOST_DAMPING:
                step = self._step(self.numbers, hessian, pull, damping)
                if pull @ step - step @ hessian @ step / 2 < max(CLOSE * before, LEAST_GAIN):
                    return
                after = self._objective(self.numbers + step, target)
                if after < before:
                    break
                damping *= 10
            else:
                return
            self.numbers, before, damping = self.numbers + step, after, damping / 10

    def _step(
        self,
        numbers: Array,
        hessian: Array,
        pull: Array,
        damping: float = 0.0,
        *,
        keeps_shape: bool = False,
    ) -> Array:
        """The step to the least objective within the bounds."""
        family, step = self._family, np.zeros(len(numbers))
        free = ~family.is_shape if keeps_shape else np.ones(len(numbers), bool)
        bounds = (family.low - numbers)[free], (family.high - numbers)[free]
        step[free] = bounded_step(hessian[np.ix_(free, free)], pull[free], bounds, damping)
        return step

    def _normal(self, numbers: Array, target: _Target) -> tuple[Array, Array]:
        """Hessian of the objective, and minus its gradient.

        Products of pictures of the spot are those of the one with the other; see `ShownMaps`.
        """
        family = self._family
        tangents = family.tangents(numbers)
        first, second = self._shown.columns(tangents)
        missing = [to_host(target.values - each) for each in self._shown.predictions(numbers)]
        weights = to_host(target.weights)
        known = np.zeros_like(family.precision)
        pull = family.precision @ (family.mean - numbers)
        for channel in range(3):
            mix, weight = tangents.mix[:, :, channel], weights[:, channel]
            product = (first[channel] * weight) @ second[channel].T
            known += mix.T @ (((product + product.T) / 2).astype(np.float64) @ mix)
            pulled = first[channel] @ (weight * missing[1][:, channel])
            pulled += second[channel] @ (weight * missing[0][:, channel])
            pull += mix.T @ (pulled / 2).astype(np.float64)
        return family.precision + _positive(known), pull

    def _objective(self, numbers: Array, target: _Target) -> float:
        first, second = self._shown.predictions(numbers)
        away = numbers - self._family.mean
        squares = np.sum(target.weights * (target.values - first) * (target.values - second))
        return float(squares) / 2 + float(away @ self._family.precision @ away) / 2

    def _show(self) -> None:
        """Take the map of the numbers; of its noise in the recording, spots have no part."""
        solver = self._solver
        broad, _ = self._family.parts(self.numbers)
        solver.texels = self._shown.as_texels(self._shown.level * broad)
        self._shown.correct(self.numbers)
        solver.predicted = self._shown.predict(self.numbers)
        solver.pictures.fit_gains(solver.predicted)

    def _map_of(self, numbers: Array) -> NDArray[np.float32]:
        """The map of some numbers in radiance, shape (H, W, 3)."""
        width, height = self.transport.resolution
        texels = self.unit * self._shown.level * texels_of(self._family, numbers)
        return np.ascontiguousarray(texels.reshape(height, width, 3), np.float32)

    # Weights and uncertainty

    def _target(self) -> _Target:
        """The pictures, and weights of the loss that are as large as the residuals say."""
        solver = self._solver
        weights, _ = solver.weighting()
        variance = solver.pictures.variance(solver.predicted, self._recorded())
        counts = (solver.weights > 0) & (variance < np.float32(np.inf))
        scale = np.sum(counts) / np.sum(weights[counts] * variance[counts])
        precision = np.where(counts, weights, np.float32(0)) * (scale / ALIKE)
        return _Target(values=solver.pictures.target(solver.predicted), weights=precision)

    def _recorded(self) -> Pixels:
        return self.transport.variance(self._solver.texels)

    def _uncertainty(self) -> tuple[Array, Array]:
        """Covariance of the numbers, and the deviation of texels by detail that they lack.

        Detail in texels that are independent, of variance s^2, adds s^2 sum_j T_ij^2 to pixel i's
        squared residual. With A the derivative of the pictures by the numbers and W their weights,
        it moves the numbers by H^-1 A' W T times the detail.
        """
        target = self._target()
        hessian, _ = self._normal(self.numbers, target)
        covariance, lacking = np.linalg.inv(hessian), self._lacking(target)
        if not lacking.any():
            return covariance, lacking
        tangents = self._family.tangents(self.numbers)
        first, second = self._shown.columns(tangents)
        weighted = (first + second) / 2 * to_host(target.weights).T[:, None]
        pulls = np.stack(
            [self._pulled(weighted[:, number].T) for number in range(weighted.shape[1])]
        )
        moved = np.zeros_like(hessian)
        for channel in range(3):
            pull, mix = pulls[:, :, channel], tangents.mix[:, :, channel]
            moved += lacking[channel] ** 2 * (mix.T @ ((pull @ pull.T) @ mix))
        return covariance + covariance @ moved @ covariance, lacking

    def _pulled(self, pixels: Array) -> Array:
        """The recording's transpose times pixels, shape (H * W, 3)."""
        found = self.transport.rmatvec(as_columns(self.transport.library.array(pixels)))
        return np.asarray(to_host(found), np.float64)

    def _lacking(self, target: _Target) -> Array:
        """Standard deviation of texels that the numbers lack, by channel, in units of `unit`."""
        solver = self._solver
        noise = solver.pictures.noise(solver.predicted)
        expected = solver.pictures.expected_variance(solver.predicted, self._recorded(), noise)
        squares = (target.values - solver.predicted) ** 2
        shares = self.transport.sum_of_squares(np.ones_like(solver.texels))
        counts = target.weights > 0
        excess = np.sum(np.where(counts, squares - expected, np.float32(0)), axis=0)
        seen = np.sum(np.where(counts, shares, np.float32(0)), axis=0)
        variance = to_host(excess) / np.maximum(to_host(seen), 1e-30)
        return np.asarray(np.sqrt(np.maximum(variance, 0)))


def _positive(matrix: Array) -> Array:
    """The nearest symmetric matrix without negative eigenvalues, which noise of spots can make."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.maximum(values, 0)) @ vectors.T)
