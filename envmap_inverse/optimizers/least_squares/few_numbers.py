"""Least squares for the few coefficients of a basis, such as harmonics, in place of the texels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.optimizers.least_squares.pictures import Pixels
from envmap_inverse.optimizers.least_squares.solver import LeastSquares, Settings
from envmap_inverse.optimizers.protocol import State, Step
from envmap_inverse.parameterizations import Basis
from envmap_inverse.problem.linear_posterior import LinearPosterior
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.solution import Solution
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.system.arrays import as_columns, to_host
from envmap_inverse.system.memory import free_memory, gibibytes

__all__ = ["FewNumbers"]

Array = NDArray[Any]

ALIKE = np.float32(2)
"""How many pixels count as one, as errors of the model are alike in neighbours: with it the errors
of harmonics are 0.6 to 1 of their deviations where their order is high enough."""


class FewNumbers:
    """A `Solver` for the coefficients c of a basis B: the light transport is T B.

    In each step the loss is replaced by squared differences at the present map, as
    `LeastSquares` does, and the coefficients that minimize them are found at once, with a normal
    prior (see `Basis`). Their covariance is the inverse of the Hessian.
    """

    def __init__(
        self,
        settings: Settings,
        problem: Problem,
        transport: LightTransport,
        basis: Basis,
        *,
        phases: Mapping[str, float] | None = None,
    ) -> None:
        """Multiply the recording by the basis.

        Args:
            settings: how to solve.
            problem: what to solve; its priors, which are on texels, are not used.
            transport: the recording of the problem's views.
            basis: of the map.
            phases: seconds that led here, for the solution.

        Raises:
            InputError: if the product does not fit into memory.
        """
        self._solver = LeastSquares(settings, problem, transport, phases=phases)
        self._solver.is_filled = False  # a basis reaches all texels
        self._basis = basis
        self.settings, self.problem, self.transport = settings, problem, transport
        self.gains, self.unit = self._solver.gains, self._solver.unit
        size = len(basis.mean)
        num_bytes = 3 * 4 * size * transport.shape[0]
        if num_bytes > free_memory() // 2:
            raise InputError(
                f"parameterization: {size} maps for {transport.shape[0]} pixels need "
                f"{gibibytes(num_bytes)} of memory; take fewer, or smaller pictures"
            )
        library = transport.library
        self._columns = [
            transport.matvec(as_columns(library.array(np.repeat(column[:, None], 3, axis=1))))
            for column in basis.maps.T.astype(np.float32)
        ]
        self.coefficients: Array = np.zeros((size, 3))
        self._covariance: Array = np.zeros((3, size, size))

    def step(self, index: int) -> Step:
        """Find the coefficients for the weights at the present map."""
        solver = self._solver
        if index == 0:
            solver.texels = solver.centre
            solver.predicted = self.transport.matvec(solver.texels)
            solver.pictures.fit_gains(solver.predicted)
            self._level = float(np.mean(to_host(solver.centre)))
        if index == solver.held_out.until:
            solver.held_out.measure(self.transport, solver.texels, solver.predicted)
            solver.see_all()
        self._solve()
        solver.loss = solver.pictures.mean_loss(solver.predicted)
        return solver.report()

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
        numbers = {"coefficients": self.coefficients, "covariance": self._covariance}
        return {**self._solver.state(), **numbers, "level": np.array(self._level)}

    def restore(self, state: State, num_done: int) -> None:
        """See `Solver`."""
        self._solver.restore(state, num_done)
        self.coefficients, self._covariance = state["coefficients"], state["covariance"]
        self._level = float(state["level"])

    def solution(self) -> Solution:
        """See `Solver`."""
        solver = self._solver
        posterior = LinearPosterior(
            resolution=self.transport.resolution,
            maps=self._basis.maps,
            coefficients=self.unit * self.coefficients,
            covariance=self.unit**2 * self._covariance,
            is_positive=self._basis.is_positive,
        )
        return replace(solver.solution(), texels=solver.as_map(solver.texels), posterior=posterior)

    def _solve(self) -> None:
        """Take the coefficients that fit best, and the map that they make."""
        solver, basis = self._solver, self._basis
        precision = self._precision()
        target = solver.pictures.target(solver.predicted)
        mean = self._level * basis.mean
        prior = (self._level * basis.deviation) ** -2.0
        for channel in range(3):
            columns = np.stack([to_host(c[:, channel]) for c in self._columns], axis=1)
            weights = to_host(precision[:, channel])
            hessian = (columns * weights[:, None]).T @ columns + np.diag(prior)
            pull = columns.T @ (weights * to_host(target[:, channel])) + prior * mean
            self._covariance[channel] = np.linalg.inv(hessian)
            self.coefficients[:, channel] = _lowest(hessian, pull, basis.is_positive)
        texels = (basis.maps @ self.coefficients).astype(np.float32)
        solver.texels = as_columns(self.transport.library.array(texels))
        solver.predicted = self.transport.matvec(solver.texels)
        solver.pictures.fit_gains(solver.predicted)

    def _precision(self) -> Pixels:
        """Of each pixel's value: the weights of the loss, as large as the residuals say."""
        solver = self._solver
        weights, _ = solver.weighting()
        recorded = self.transport.variance(solver.texels)
        variance = solver.pictures.variance(solver.predicted, recorded)
        counts = (solver.weights > 0) & (variance < np.float32(np.inf))
        scale = np.sum(counts) / np.sum(weights[counts] * variance[counts])
        precision: Pixels = np.where(counts, weights, np.float32(0)) * (scale / ALIKE)
        return precision


def _lowest(hessian: Array, pull: Array, is_positive: bool) -> Array:
    """Minimum of c' H c / 2 - c' p, over c >= 0 if asked for."""
    from scipy.optimize import nnls  # noqa: PLC0415 - slow to import

    best = np.linalg.solve(hessian, pull)
    if not is_positive or (best >= 0).all():
        return best
    root = np.linalg.cholesky(hessian).T
    return np.asarray(nnls(root, root @ best)[0])
