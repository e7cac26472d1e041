"""The misfit of a scene's numbers when the map is the best for them, and its derivatives.

For numbers theta let x(theta) be the map that minimizes the misfit. The misfit that is left is a
function of theta alone (variable projection, Golub and Pereyra 1973). Its gradient is that at a
fixed map; its Hessian is not, as a map absorbs most of what the numbers change: with D the
derivative of the pictures at a fixed map, T the transport, W the weights and H = T'WT + priors,

    S = D'WD - (T'WD)' H^-1 (T'WD).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.optimizers.least_squares.conjugate_gradients import conjugate_gradients
from envmap_inverse.optimizers.least_squares.pictures import Pixels
from envmap_inverse.optimizers.least_squares.solver import LeastSquares, Settings
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.view import View
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.refining.unknowns import Coordinates, Unknown
from envmap_inverse.scene.rendering import render
from envmap_inverse.system.progress import watched_by

__all__ = ["Curvature", "Fitted", "Reduced"]

NUM_PATHS = 2**19
PROJECTION_STEPS = 30
BLOCK = 8
"""Pixels on a side of the blocks whose residuals may be alike."""


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """The best map for some numbers.

    Attributes:
        solver: has found it.
        misfit: loss and priors.
    """

    solver: LeastSquares
    misfit: float


@dataclass(frozen=True, kw_only=True)
class Curvature:
    """The reduced misfit near some numbers, over the variance of the residuals.

    Attributes:
        gradient: towards a lower misfit, shape (n,).
        hessian: S, shape (n, n).
        scatter: covariance of the gradient, from sums over blocks of pixels, shape (n, n).
    """

    gradient: Coordinates
    hessian: NDArray[np.float64]
    scatter: NDArray[np.float64]


class Reduced:
    """The reduced misfit of a problem; random numbers are the same at all coordinates."""

    def __init__(
        self,
        problem: Problem,
        unknowns: Sequence[Unknown],
        apply: Callable[[Coordinates], None],
        *,
        settings: Settings,
        seed: int,
    ) -> None:
        """Take the problem, whose pictures have the size of their films.

        Args:
            problem: with exposures that are known.
            unknowns: what is searched.
            apply: sets the scene to coordinates.
            settings: of the solver.
            seed: of all random numbers.
        """
        self._problem, self._unknowns, self._apply = problem, unknowns, apply
        self._settings, self._seed = settings, seed
        pixels = max(view.image[:, :, 0].size for view in problem.views)
        self._spp = int(np.clip(NUM_PATHS // pixels, 16, 256))
        self._side = max(max(view.image.shape[:2]) for view in problem.views)
        self.steps = np.array([unknown.step_at(self._side) for unknown in unknowns])

    def record(self, coordinates: Coordinates) -> LightTransport:
        """Record the light transport at some coordinates."""
        self._apply(coordinates)
        sensors = [view.sensor for view in self._problem.views]
        with watched_by(None):
            return LightTransport.record(
                self._problem.scene, sensors, spp=self._spp, seed=self._seed
            )

    def fit(self, coordinates: Coordinates) -> Fitted:
        """Find the best map at some coordinates."""
        solver = LeastSquares(self._settings, self._problem, self.record(coordinates))
        solver.run()
        loss = np.sum(solver.weights * solver.pictures.losses(solver.predicted)) / 3
        width, height = solver.transport.resolution
        maps = [each.reshape(height, width, 3) for each in (solver.texels, solver.centre)]
        energy = sum(prior.energy(*maps) for prior in self._problem.priors)
        return Fitted(solver=solver, misfit=float(loss) + solver.prior_factor() * energy)

    def curvature(self, coordinates: Coordinates, fitted: Fitted) -> Curvature:
        """Gradient and Hessian by central differences and by projection."""
        solver = fitted.solver
        texels = solver.as_map(solver.texels)
        slopes = [self._slope(coordinates, k, texels) for k in range(len(self._unknowns))]
        slopes = [slope / np.float32(solver.unit) for slope in slopes]
        pictures = solver.pictures
        pulls = pictures.is_exact | (pictures.target(solver.predicted) == pictures.observed)
        weights: Pixels = solver.pixel_weights() * pulls
        projected = _projected(solver, slopes, weights)
        residual = pictures.observed - solver.predicted
        level = float(np.sum(weights * residual**2) / np.count_nonzero(weights))
        hessian = np.array([[_dot(weights, a, b) for b in projected] for a in slopes]) / level
        gradient = np.array([_dot(weights, slope, residual) for slope in slopes]) / level
        scores = np.stack([self._block_sums(weights * p * residual) for p in projected]) / level
        return Curvature(
            gradient=gradient, hessian=(hessian + hessian.T) / 2, scatter=scores @ scores.T
        )

    def _slope(self, coordinates: Coordinates, number: int, texels: NDArray[np.float32]) -> Pixels:
        """Derivative of the pictures' radiance by one number at a fixed map, (pixels, 3)."""
        step, only = self.steps[number], self._unknowns[number].sensor
        images = []
        for sign in (1, -1):
            moved = coordinates.copy()
            moved[number] += sign * step
            self._apply(moved)
            images.append([self._rendered(view.sensor, only, texels) for view in self._views])
        above, below = (np.concatenate(side) for side in images)
        return np.asfortranarray((above - below) / np.float32(2 * step))

    def _rendered(
        self, sensor: int, only: int | None, texels: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        width, height = self._problem.scene.film_size(sensor)
        if only not in {None, sensor}:
            return np.zeros((width * height, 3), np.float32)
        seed = self._seed + 1
        image = render(self._problem.scene, texels, self._spp, seed, sensor)
        return image.reshape(-1, 3)

    def _block_sums(self, pixels: Pixels) -> NDArray[np.float64]:
        """Sums over blocks of each view and channel."""
        sums, start = [], 0
        for view in self._views:
            height, width, _ = view.image.shape
            image = pixels[start : start + height * width].reshape(height, width, 3)
            start += height * width
            rows = np.add.reduceat(image, np.arange(0, height, BLOCK), axis=0, dtype=np.float64)
            cells = np.add.reduceat(rows, np.arange(0, width, BLOCK), axis=1)
            sums.append(cells.sum(axis=2).ravel())
        return np.concatenate(sums)

    @property
    def _views(self) -> Sequence[View]:
        return self._problem.views


def _projected(solver: LeastSquares, slopes: Sequence[Pixels], weights: Pixels) -> list[Pixels]:
    """What is left of changes of the pictures when the map is free to follow them."""
    forms = solver.quadratics()
    diagonal, free = solver.diagonal(weights, forms), solver.texels > 0

    def hessian(change: NDArray[np.float32]) -> NDArray[np.float32]:
        from_priors = sum(form.matrix @ change for form in forms)
        return solver.transport.normal(change, weights) + from_priors

    left = []
    for slope in slopes:
        pull = solver.transport.rmatvec(weights * slope) * free
        change = conjugate_gradients(hessian, pull, diagonal, free, PROJECTION_STEPS, 1e-3)
        left.append(slope - solver.transport.matvec(change))
    return left


def _dot(weights: Pixels, a: Pixels, b: Pixels) -> float:
    return float(np.sum(weights * a * b, dtype=np.float64))
