"""The misfit of a scene's numbers when the map is the best for them, and its derivatives.

For numbers theta let x(theta) be the map that minimizes the misfit. The misfit that is left is a
function of theta alone (variable projection, Golub and Pereyra 1973). A map absorbs most of what
the numbers change, so that derivatives at a fixed map say little; here a new map is found for each
difference. The residuals that are left are smooth in theta, as all recordings have the same random
numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.optimizers.least_squares.pictures import Pixels
from envmap_inverse.optimizers.least_squares.solver import LeastSquares, Settings
from envmap_inverse.optimizers.recorded import recorded
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.view import View
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.refining.unknowns import Coordinates, Unknown
from envmap_inverse.system.progress import watched_by

__all__ = ["Curvature", "Fitted", "Reduced"]

NUM_PATHS = 2**20
LEAST_BEND = 0.25
"""Least second derivative, as a share of the one by Gauss and Newton."""

ALIKE = 16
"""Pixels that count as one for numbers that move no edges: what they change is alike in neighbours,
and so are the errors of recording and map."""

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
        self._share = np.array([1.0 if u.is_geometric else 1 / ALIKE for u in unknowns])
        self.steps = np.array([unknown.step_at(self._side) for unknown in unknowns])

    def record(self, coordinates: Coordinates) -> LightTransport:
        """Record the light transport at some coordinates."""
        self._apply(coordinates)
        with watched_by(None):
            return recorded(self._problem, spp=self._spp, seed=self._seed)

    def fit(self, coordinates: Coordinates) -> Fitted:
        """Find the best map at some coordinates."""
        solver = LeastSquares(self._settings, self._problem, self.record(coordinates))
        solver.run()
        loss = np.sum(solver.weights * solver.pictures.losses(solver.predicted)) / 3
        width, height = solver.transport.resolution
        maps = [each.reshape(height, width, 3) for each in (solver.texels, solver.centre)]
        energy = sum(prior.energy(*maps) for prior in self._problem.priors)
        return Fitted(solver=solver, misfit=float(loss) + solver.weighting()[1] * energy)

    def curvature(self, coordinates: Coordinates, fitted: Fitted) -> Curvature:
        """Gradient, and Hessian by Gauss and Newton, from central differences."""
        solver = fitted.solver
        weights: Pixels = solver.weighting()[0] * _pulls(solver)
        residual = solver.pictures.observed - solver.predicted
        level = float(np.sum(weights * residual**2) / np.count_nonzero(weights))
        slopes, gradient, bends = [], [], []
        for number, step in enumerate(self.steps):
            ahead, behind = (self._moved(coordinates, number, s) for s in (step, -step))
            gradient.append((behind.misfit - ahead.misfit) / (2 * step))
            bends.append((ahead.misfit - 2 * fitted.misfit + behind.misfit) / step**2)
            slopes.append((_light(ahead) - _light(behind)) / np.float32(2 * step * solver.unit))
        products = np.array([[_dot(weights * a, b) for b in slopes] for a in slopes])
        sums = np.stack([self._block_sums(weights * slope * residual) for slope in slopes])
        # Noise of the recordings makes the products too large; the misfit itself shows it.
        ratios = np.array(bends) * 1.5 / np.maximum(np.diag(products), 1e-30)
        products *= np.sqrt(np.outer(*[np.clip(ratios, LEAST_BEND, 1)] * 2))
        # Half the sum of weighted squares, which counts here, is 3/2 of the mean loss.
        return Curvature(
            gradient=np.array(gradient) * 1.5 * self._share / level,
            hessian=products * np.sqrt(np.outer(self._share, self._share)) / level,
            scatter=sums @ sums.T * np.outer(self._share, self._share) / level**2,
        )

    def _moved(self, coordinates: Coordinates, number: int, step: float) -> Fitted:
        moved = coordinates.copy()
        moved[number] += step
        return self.fit(moved)

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


def _pulls(solver: LeastSquares) -> Pixels:
    """Which values pull the prediction: all but clipped ones whose bound is met."""
    pictures = solver.pictures
    met = pictures.target(solver.predicted) == pictures.observed
    return np.asarray(pictures.is_exact | met)


def _light(fitted: Fitted) -> Pixels:
    """The pictures under the best map, in radiance, that of other emitters included."""
    solver = fitted.solver
    return np.asarray(solver.pictures.light(solver.predicted) * np.float32(solver.unit))


def _dot(a: Pixels, b: Pixels) -> float:
    return float(np.sum(a * b, dtype=np.float64))
