"""Least squares for the few numbers of a family of maps, such as harmonics, in place of texels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.light_models.family import Family, Spot, Tangents, texels_of
from envmap_inverse.optimizers.least_squares.pictures import Pixels
from envmap_inverse.optimizers.least_squares.solver import LeastSquares, Settings
from envmap_inverse.optimizers.protocol import State, Step
from envmap_inverse.problem.numbers_posterior import NumbersPosterior
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.solution import Solution
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.recording.other_light import light_alone
from envmap_inverse.system.arrays import as_columns, to_host
from envmap_inverse.system.memory import free_memory, gibibytes

__all__ = ["FewNumbers"]

Array = NDArray[Any]

ALIKE = np.float32(2)
"""How many pixels count as one, as errors of the model are alike in neighbours: with it the errors
of harmonics are 0.6 to 1 of their deviations where their order is high enough."""

RENDER_SPP, KEPT = 16, 16
"""Paths per pixel of pictures of spots, and how many of these are kept."""

MAX_STEPS = 10
CLOSE = 1e-3
"""Steps for numbers that the map does not follow from linearly, and the share of the objective
below which a gain is none."""

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
        self._check_memory()
        self.numbers: Array = family.mean
        self._columns: Array | None = None
        self._spots: dict[bytes, Pixels] = {}

    def step(self, index: int) -> Step:
        """Find the numbers for the weights at the present map."""
        solver = self._solver
        if index == 0:
            self._level = float(np.mean(to_host(solver.centre)))
            solver.texels = self._guess() if self._family.is_shape.any() else solver.centre
            solver.predicted = self.transport.matvec(solver.texels)
            solver.pictures.fit_gains(solver.predicted)
        if index == solver.held_out.until:
            solver.held_out.measure(self.transport, solver.texels, solver.predicted)
            solver.see_all()
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
        return {**self._solver.state(), "numbers": self.numbers, "level": np.array(self._level)}

    def restore(self, state: State, num_done: int) -> None:
        """See `Solver`."""
        self._solver.restore(state, num_done)
        self.numbers, self._level = state["numbers"], float(state["level"])
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
            unit=self.unit * self._level,
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
            step = self._step(start, target, 0.0, ~self._family.is_shape)
            tried.append((self._objective(start + step, target), start + step))
        _, self.numbers = min(tried, key=lambda each: each[0])

    def _guess(self) -> Array:
        """The map of texels that explains the pictures."""
        solver = LeastSquares(self.settings, self.problem, self.transport)
        solver.run()
        return solver.texels

    def _improve(self, target: _Target) -> None:
        """Take steps as long as they lower the objective."""
        if not self._family.is_shape.any():
            self.numbers = self.numbers + self._step(self.numbers, target, 0.0)
            return
        damping, before = DAMPING, self._objective(self.numbers, target)
        for _ in range(MAX_STEPS):
            hessian, pull = self._normal(self.numbers, target)
            while damping <= MOST_DAMPING:
                step = self._within_bounds(self.numbers, hessian, pull, damping)
                if pull @ step - step @ hessian @ step / 2 < CLOSE * before:
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
        target: _Target,
        damping: float,
        free: NDArray[np.bool_] | None = None,
    ) -> Array:
        return self._within_bounds(numbers, *self._normal(numbers, target), damping, free)

    def _within_bounds(
        self,
        numbers: Array,
        hessian: Array,
        pull: Array,
        damping: float,
        free: NDArray[np.bool_] | None = None,
    ) -> Array:
        """The step that minimizes s' H s / 2 - s' p, with damping, among the free numbers."""
        from scipy.optimize import lsq_linear  # noqa: PLC0415 - slow to import

        family = self._family
        chosen = np.ones(len(numbers), bool) if free is None else free
        some = hessian[np.ix_(chosen, chosen)]
        some = some + damping * np.diag(np.diag(some))
        step = np.zeros(len(numbers))
        step[chosen] = np.linalg.solve(some, pull[chosen])
        if ((numbers + step >= family.low) & (numbers + step <= family.high)).all():
            return step
        root = np.linalg.cholesky(some).T
        bounds = (family.low - numbers)[chosen] - 1e-12, (family.high - numbers)[chosen] + 1e-12
        found = lsq_linear(root, root @ step[chosen], bounds, method="bvls")
        step[chosen] = np.clip(found.x, *bounds)
        moved = np.clip(numbers + step, family.low, family.high)
        return np.asarray(moved - numbers)

    def _normal(self, numbers: Array, target: _Target) -> tuple[Array, Array]:
        """Hessian of the objective, and minus its gradient."""
        family = self._family
        tangents = family.tangents(numbers)
        columns = self._seen(tangents)
        missing = to_host(target.values) - to_host(self._predict(numbers))
        weights = to_host(target.weights)
        hessian = family.precision.copy()
        pull = family.precision @ (family.mean - numbers)
        for channel in range(3):
            seen, mix = columns[channel], tangents.mix[:, :, channel]
            weighted = seen * weights[:, channel]
            hessian += mix.T @ ((weighted @ seen.T).astype(np.float64) @ mix)
            pull += mix.T @ (weighted @ missing[:, channel]).astype(np.float64)
        return hessian, pull

    def _objective(self, numbers: Array, target: _Target) -> float:
        missing = target.values - self._predict(numbers)
        away = numbers - self._family.mean
        squares = float(np.sum(target.weights * missing**2))
        return squares / 2 + float(away @ self._family.precision @ away) / 2

    def _predict(self, numbers: Array) -> Pixels:
        """The pictures, in units of `unit`."""
        broad, spot = self._family.parts(numbers)
        pixels = self.transport.matvec(self._as_texels(self._level * broad))
        return pixels if spot is None else pixels + self._of_spot(spot)

    def _of_spot(self, spot: Spot) -> Pixels:
        """How the pictures show a spot: rendered, as few recorded paths meet one."""
        key = spot.place.tobytes()
        if key not in self._spots:
            self._spots = dict(list(self._spots.items())[-KEPT:])
            self._spots[key] = self._shown(self._family.spot(spot.place))
        return self._spots[key] * np.float32(self._level * spot.light)

    def _shown(self, spot: Array) -> Pixels:
        """How the pictures show a map of one channel."""
        width, height = self.transport.resolution
        scene, sensors = self.problem.scene, [view.sensor for view in self.problem.views]
        if scene.surroundings is not None:
            return self.transport.matvec(self._as_texels(spot[:, None]))
        texels = np.repeat(np.float32(spot).reshape(height, width, 1), 3, axis=2)
        image = light_alone(scene, texels, sensors, RENDER_SPP)
        found: Pixels = as_columns(self.transport.library.array(image))
        return found

    def _seen(self, tangents: Tangents) -> Array:
        """How the pictures show the tangents' maps, shape (3, maps, pixels)."""
        if self._columns is None or self._family.is_shape.any():
            shown = [
                *(self.transport.matvec(self._as_texels(self._level * m)) for m in tangents.maps),
                *(self._of_spot(spot) for spot in tangents.spots),
            ]
            shown = [to_host(each) for each in shown]
            self._columns = np.stack([np.stack([s[:, k] for s in shown]) for k in range(3)])
        return self._columns

    def _as_texels(self, texels: Array) -> Array:
        """A map of shape (H * W, 1 or 3) where the recording lies."""
        whole = np.broadcast_to(texels, (len(texels), 3)).astype(np.float32)
        found: Array = as_columns(self.transport.library.array(whole))
        return found

    def _show(self) -> None:
        """Take the map of the numbers; of its noise in the recording, narrow light has no part."""
        solver = self._solver
        broad, _ = self._family.parts(self.numbers)
        solver.texels = self._as_texels(self._level * broad)
        solver.predicted = self._predict(self.numbers)
        solver.pictures.fit_gains(solver.predicted)

    def _map_of(self, numbers: Array) -> NDArray[np.float32]:
        """The map of some numbers in radiance, shape (H, W, 3)."""
        width, height = self.transport.resolution
        texels = self.unit * self._level * texels_of(self._family, numbers)
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
        moved = np.zeros_like(hessian)
        for channel, seen in enumerate(self._seen(tangents)):
            pull = np.stack(
                [
                    to_host(self.transport.rmatvec(self._in_channel(each, channel, target)))
                    for each in seen
                ]
            )[:, :, channel].astype(np.float64)
            mix = tangents.mix[:, :, channel]
            moved += lacking[channel] ** 2 * (mix.T @ ((pull @ pull.T) @ mix))
        return covariance + covariance @ moved @ covariance, lacking

    def _in_channel(self, values: Array, channel: int, target: _Target) -> Pixels:
        """Weighted pixels that are dark in the other channels."""
        pixels = np.zeros((len(values), 3), np.float32)
        pixels[:, channel] = values * to_host(target.weights)[:, channel]
        found: Pixels = as_columns(self.transport.library.array(pixels))
        return found

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

    def _check_memory(self) -> None:
        tangents = self._family.tangents(self._family.mean)
        num_maps, num_pixels = len(tangents.maps), self.transport.shape[0]
        num_bytes = 3 * 4 * num_maps * num_pixels
        if num_bytes > free_memory() // 2:
            raise InputError(
                f"parameterization: {num_maps} maps for {num_pixels} pixels need "
                f"{gibibytes(num_bytes)} of memory; take fewer, or smaller pictures"
            )
