"""The misfit of a scene's numbers when the map is the best for them, and its derivatives.

For numbers theta let x(theta) be the map that minimizes the misfit. The misfit that is left is a
function of theta alone (variable projection, Golub and Pereyra 1973). Its gradient is that at a
fixed map; its Hessian is not, as a map absorbs most of what the numbers change: with D the
derivative of the pictures at a fixed map, T the transport, W the weights and H = T'WT + priors,

    S = D'WD - (T'WD)' H^-1 (T'WD).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
LEAST_BEND = 0.1
"""Least second derivative by differences, as a share of the projected one."""

ALIKE = 16
"""Pixels that count as one for what moves no edges: its traces in neighbours are alike, and so are
those of the errors that recording and map make."""

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
        residual = pictures.observed - solver.predicted
        level = float(np.sum(weights * residual**2) / np.count_nonzero(weights))
        projection = _Projection(solver, weights, residual)
        left, pulls_left = zip(*map(projection.of, slopes), strict=True)
        hessian = np.array([[_dot(weights * a, b) for b in left] for a in slopes]) / level
        scores = np.stack([self._block_sums(weights * part * residual) for part in left]) / level
        gradient, hessian = np.array(pulls_left) / level, (hessian + hessian.T) / 2
        for number, unknown in enumerate(self._unknowns):
            if not unknown.is_geometric:
                slope, bend = self._differences(coordinates, number, fitted.misfit)
                scale = 1.5 / level / ALIKE
                gradient[number] = -slope * scale
                ratio = np.sqrt(max(bend * scale / hessian[number, number], LEAST_BEND / ALIKE))
                hessian[number] *= ratio
                hessian[:, number] *= ratio
        return Curvature(
            gradient=gradient,
            hessian=hessian,
            scatter=scores @ scores.T,
        )

    def _differences(
        self, coordinates: Coordinates, number: int, misfit: float
    ) -> tuple[float, float]:
        """First and second derivative of the reduced misfit by one number, by differences."""
        step = self.steps[number]
        above, below = coordinates.copy(), coordinates.copy()
        above[number] += step
        below[number] -= step
        high, low = self.fit(above).misfit, self.fit(below).misfit
        return (high - low) / (2 * step), (high - 2 * misfit + low) / step**2

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


class _Projection:
    """Takes out of changes of the pictures what the map follows; near a solver's map."""

    def __init__(self, solver: LeastSquares, weights: Pixels, residual: Pixels) -> None:
        self._solver, self._weights, self._residual = solver, weights, residual
        self._forms = solver.quadratics()
        self._free = solver.texels > 0
        self._diagonal = solver.diagonal(weights, self._forms)
        of_priors = sum(form.matrix @ (solver.texels - form.centre) for form in self._forms)
        # The solver stops before this is 0: the map still has a way to go.
        self._open = solver.transport.rmatvec(weights * residual) - of_priors

    def of(self, slope: Pixels) -> tuple[Pixels, float]:
        """What is left of a change, and how much it lowers the misfit, once the map is there."""
        transport, free = self._solver.transport, self._free
        pull = transport.rmatvec(self._weights * slope) * free
        change = conjugate_gradients(
            self._hessian, pull, self._diagonal, free, PROJECTION_STEPS, 1e-3
        )
        gradient = _dot(self._weights * slope, self._residual) - _dot(change, self._open)
        return slope - transport.matvec(change), gradient

    def _hessian(self, change: NDArray[np.float32]) -> NDArray[np.float32]:
        from_priors = sum(form.matrix @ change for form in self._forms)
        return np.asarray(self._solver.transport.normal(change, self._weights) + from_priors)


def _dot(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(np.sum(a * b, dtype=np.float64))
