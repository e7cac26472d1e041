"""Maps of a family, which NumPy draws, as a parameterization for Adam."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.backend import dr, mi
from envmap_inverse.light_models.family import Array, Family, texels_of, without_spots
from envmap_inverse.losses import RelativeMSE
from envmap_inverse.optimizers.least_squares.solver import LeastSquares, Settings
from envmap_inverse.optimizers.recorded import recorded
from envmap_inverse.priors import Tikhonov, TotalVariation
from envmap_inverse.problem.problem import Problem
from envmap_inverse.recording.recordable import why_not_recordable
from envmap_inverse.sphere.latlong import flatten_rgba, texel_solid_angles, unflatten_rgba

__all__ = ["Drawn", "rough_guess"]

GUESS_SPP = 16


class Drawn:
    """Maps that follow from few numbers by a `Family`: a `Parameterization`.

    Parameters p are independent and of deviation 1 before a picture is seen: the numbers are
    mean + L p, where L L' is their covariance, within their bounds. The gradient by the texels goes
    through the family's derivatives of the map. As NumPy draws the maps, steps are not frozen.

    Attributes:
        is_frozen: see `Adam`.
    """

    is_frozen = False

    def __init__(self, family: Family, guess: NDArray[Any]) -> None:
        """Take the family.

        Args:
            family: of maps.
            guess: a map about as bright as the one to be found, shape (H, W, 3).
        """
        solid_angles = texel_solid_angles(*guess.shape[:2])
        level = np.sum(solid_angles * np.maximum(guess, 0).mean(axis=2)) / (4 * np.pi)
        self._family, self._level = family, max(float(level), 1e-6)
        self._root = np.linalg.cholesky(np.linalg.inv(family.precision))

    def to_texels(self, parameters: Any, resolution: tuple[int, int]) -> Any:
        """See `Parameterization`."""
        return dr.custom(_operation(), self, resolution, parameters)

    def from_texels(self, texels: Any, resolution: tuple[int, int]) -> Any:
        """See `Parameterization`: numbers whose light is from where most of the map's is."""
        guess = unflatten_rgba(np.array(texels), resolution).reshape(-1, 3) / self._level
        start = self._family.starts(np.asarray(guess, np.float64))[-1]
        away = np.linalg.solve(self._root, start - self._family.mean)
        return mi.Float(away.astype(np.float32))

    def map_of(self, parameters: Array) -> Array:
        """Texels, shape (H * W, 3)."""
        return self._level * texels_of(self._family, self._bounded(parameters)[0])

    def pulled(self, parameters: Array, gradient: Array) -> Array:
        """The gradient by the parameters of what has that gradient by the texels (H * W, 3)."""
        numbers, free = self._bounded(parameters)
        tangents = without_spots(self._family.tangents(numbers))
        found = np.zeros(len(numbers))
        for channel in range(3):
            maps = tangents.maps[:, :, min(channel, tangents.maps.shape[2] - 1)]
            found += tangents.mix[:, :, channel].T @ (maps @ gradient[:, channel])
        # A number at its bound goes back, but not further.
        found[(free < self._family.low) & (found > 0)] = 0
        found[(free > self._family.high) & (found < 0)] = 0
        return np.asarray(self._level * (self._root.T @ found))

    def _bounded(self, parameters: Array) -> tuple[Array, Array]:
        """The numbers, and what they were without bounds."""
        free = self._family.mean + self._root @ parameters
        return np.clip(free, self._family.low, self._family.high), free


@functools.cache
def _operation() -> Any:
    """An operation of Dr.Jit, which must not be loaded at import: flat RGBA of parameters."""

    class Draw(dr.CustomOp):  # type: ignore[misc]
        def eval(self, drawn: Drawn, resolution: tuple[int, int], parameters: Any) -> Any:
            self.drawn, self.resolution = drawn, resolution
            self.parameters = np.array(parameters, np.float64)
            width, height = resolution
            texels = drawn.map_of(self.parameters).reshape(height, width, 3)
            return mi.Float(flatten_rgba(texels.astype(np.float32)))

        def backward(self) -> None:
            flat = np.array(self.grad_out())
            gradient = unflatten_rgba(flat, self.resolution).reshape(-1, 3).astype(np.float64)
            pulled = self.drawn.pulled(self.parameters, gradient)
            self.set_grad_in("parameters", mi.Float(pulled.astype(np.float32)))

        def name(self) -> str:
            return "map of few numbers"

    return Draw


def rough_guess(problem: Problem, seed: int) -> NDArray[np.float32]:
    """A map to begin with, shape (H, W, 3): the start map if it has contrast, else a quick one.

    That is solved for on few recorded paths: from a sun on the wrong side steps would dim the sun
    before they turn it. If the scene cannot be recorded, the sun begins at the zenith.
    """
    if np.ptp(problem.initial) > 0 or why_not_recordable(problem.scene) is not None:
        return problem.initial
    priors = Tikhonov(), TotalVariation()
    quick = replace(problem, loss=RelativeMSE(), priors=priors)
    solver = LeastSquares(Settings(), quick, recorded(quick, spp=GUESS_SPP, seed=seed))
    solver.run()
    return solver.as_map(solver.texels)
