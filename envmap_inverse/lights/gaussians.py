"""Light as a sum of spherical Gaussians."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.errors import check_counts, check_numbers
from envmap_inverse.lights.light import Light, Recovered
from envmap_inverse.sphere.latlong import blur, resample, texel_directions, texel_solid_angles

__all__ = ["SphericalGaussians", "spherical_gaussians"]

Array = NDArray[np.float64]

GRID = 32, 64
BLUR = math.radians(4)
"""Rows and columns of the map that is fitted, and the Gaussian that blurs it before."""

START_SHARPNESS = 2.0, 8.0, 32.0, 128.0
MIN_SHARPNESS, MAX_SHARPNESS = 1e-3, 400.0

MAX_LOBES = 64
MAX_EVALUATIONS = 60


@dataclass(frozen=True, kw_only=True, eq=False)
class SphericalGaussians:
    """Radiance as sum over the lobes of amplitude exp(sharpness (d . axis - 1)).

    Attributes:
        axes: unit vectors in the map's frame, shape (lobes, 3).
        sharpness: shape (lobes,).
        amplitudes: radiance on the axes, linear RGB, shape (lobes, 3).
        misfit: root of the squared difference from the blurred map, over that of the blurred map.
        covariance: of axis x, y, z, log sharpness, and R, G, B of each lobe, shape (7 lobes,
            7 lobes); None if it is not known.

    Example:
        >>> lobes: ei.SphericalGaussians = ei.spherical_gaussians(np.ones((16, 32, 3)), lobes=2)
        >>> lobes.texels(16, 32).mean().round(1)
        np.float32(1.0)
    """

    axes: Array
    sharpness: Array
    amplitudes: Array
    misfit: float
    covariance: Array | None = None

    @property
    def amplitude_deviation(self) -> Array | None:
        """Standard deviation of the amplitudes, shape (lobes, 3); None if it is not known."""
        variances = self._variances
        return None if variances is None else np.sqrt(variances[:, 4:])

    @property
    def sharpness_deviation(self) -> Array | None:
        """Standard deviation of the sharpness, shape (lobes,); None if it is not known."""
        variances = self._variances
        return None if variances is None else self.sharpness * np.sqrt(variances[:, 3])

    @property
    def axis_deviation(self) -> Array | None:
        """Root mean square error of each axis, radians, shape (lobes,); None if not known."""
        variances = self._variances
        return None if variances is None else np.sqrt(variances[:, :3].sum(axis=1))

    @property
    def _variances(self) -> Array | None:
        return None if self.covariance is None else np.diag(self.covariance).reshape(-1, 7)

    def radiance(self, directions: ArrayLike) -> Array:
        """Radiance from directions of the map's frame, shape (..., 3).

        Args:
            directions: unit vectors towards the light, shape (..., 3).
        """
        cosines = np.asarray(directions, np.float64) @ self.axes.T
        return np.asarray(np.exp(self.sharpness * (cosines - 1)) @ self.amplitudes)

    def texels(self, height: int, width: int) -> NDArray[np.float32]:
        """A map of this radiance, shape (H, W, 3)."""
        return np.asarray(self.radiance(texel_directions(height, width)), np.float32)

    def as_dict(self) -> dict[str, Any]:
        """The entries of a JSON file; see docs/lights.md."""

        def listed(values: Array | None) -> list[Any] | None:
            return None if values is None else values.tolist()

        deviations = self.amplitude_deviation, self.sharpness_deviation, self.axis_deviation
        return {
            "axes": listed(self.axes),
            "sharpness": listed(self.sharpness),
            "amplitudes": listed(self.amplitudes),
            "amplitude_deviation": listed(deviations[0]),
            "sharpness_deviation": listed(deviations[1]),
            "axis_deviation": listed(deviations[2]),
            "covariance": listed(self.covariance),
            "misfit": self.misfit,
        }

    def __repr__(self) -> str:
        """One line."""
        return f"<{len(self.axes)} spherical Gaussians, misfit {self.misfit:.2g}>"


def spherical_gaussians(
    light: Light | Recovered | ArrayLike, lobes: int = 16
) -> SphericalGaussians:
    """Fit spherical Gaussians to a map that is blurred by 4 degrees, by least squares of radiance.

    Lobes are added one by one where they lower the squared difference most, and then all are moved
    together (SciPy's `least_squares`). The covariance follows, to first order, from random maps
    that explain the pictures (`Estimate.samples`).

    Args:
        light: an estimate, or texels (H, W, 3), for which no covariance is known.
        lobes: from 1 to 64.

    Raises:
        InputError: if the number of lobes is none, or texels cannot be a map.

    Example:
        >>> ei.spherical_gaussians(np.ones((16, 32, 3)), lobes=1)
        <1 spherical Gaussians, misfit ...>
    """
    from scipy.optimize import least_squares  # noqa: PLC0415 - slow to import

    check_numbers(lobes=lobes, least=1, most=MAX_LOBES)
    check_counts(lobes=lobes)
    known = Light.of(light)
    target = np.maximum(_coarse(known.texels), 0)
    problem = _Problem(target)
    found = least_squares(
        problem.residuals,
        problem.start(lobes),
        problem.jacobian,
        bounds=problem.bounds(lobes),
        x_scale="jac",
        max_nfev=MAX_EVALUATIONS,
    )
    axes, sharpness, amplitudes = problem.parts(found.x)
    covariance = None
    if known.samples is not None:
        maps = np.stack([_coarse(each) for each in known.samples])
        covariance = problem.covariance(found.x, maps)
    return SphericalGaussians(
        axes=axes,
        sharpness=sharpness,
        amplitudes=amplitudes * problem.unit,
        misfit=float(np.sqrt(2 * found.cost / max(problem.squares, 1e-30))),
        covariance=covariance,
    )


def _coarse(texels: ArrayLike) -> Array:
    """The blurred map of 64 x 32 means, shape (texels, 3)."""
    return resample(blur(texels, BLUR), *GRID).reshape(-1, 3)


class _Problem:
    """Least squares over the lobes: axis (not of unit length), log sharpness, R, G, B of each."""

    def __init__(self, target: Array) -> None:
        self.directions = texel_directions(*GRID).reshape(-1, 3)
        self.unit = max(float(target.mean()), 1e-30)
        self.root = np.sqrt(texel_solid_angles(*GRID).reshape(-1, 1))
        self.target = self.root * target / self.unit
        self.squares = float(np.sum(self.target**2))

    def start(self, lobes: int) -> Array:
        """Take the best lobe of a grid again and again, its amplitude by least squares."""
        cosines = self.directions @ self.directions.T - 1
        library = [self.root * np.exp(s * cosines) for s in START_SHARPNESS]
        norms = [np.sum(lobe**2, axis=0)[:, None] for lobe in library]
        rest, found = self.target, []
        for _ in range(lobes):
            amplitudes = [
                np.maximum(lobe.T @ rest, 0) / norm
                for lobe, norm in zip(library, norms, strict=True)
            ]
            gains = np.array(
                [np.sum(a**2 * n, axis=1) for a, n in zip(amplitudes, norms, strict=True)]
            )
            width, axis = np.unravel_index(int(np.argmax(gains)), gains.shape)
            amplitude = amplitudes[width][axis]
            rest = rest - library[width][:, axis, None] * amplitude
            logs = [np.log(START_SHARPNESS[width])]
            found.append(np.concatenate([self.directions[axis], logs, amplitude + 1e-4]))
        return np.concatenate(found)

    @staticmethod
    def bounds(lobes: int) -> tuple[Array, Array]:
        """Least and greatest values."""
        low = [-10.0] * 3 + [np.log(MIN_SHARPNESS)] + [0.0] * 3
        high = [10.0] * 3 + [np.log(MAX_SHARPNESS)] + [np.inf] * 3
        return np.tile(low, lobes), np.tile(high, lobes)

    @staticmethod
    def parts(numbers: Array) -> tuple[Array, Array, Array]:
        """Axes of unit length, sharpness and amplitudes."""
        table = numbers.reshape(-1, 7)
        axes = table[:, :3] / np.linalg.norm(table[:, :3], axis=1, keepdims=True)
        return axes, np.exp(table[:, 3]), table[:, 4:]

    def residuals(self, numbers: Array) -> Array:
        """Differences of radiance over the unit, times the root of the solid angle; flat."""
        axes, sharpness, amplitudes = self.parts(numbers)
        lobes = np.exp(sharpness * (self.directions @ axes.T - 1))
        return np.asarray(self.root * (lobes @ amplitudes) - self.target).ravel()

    def jacobian(self, numbers: Array) -> Array:
        """Derivatives of the residuals."""
        axes, sharpness, amplitudes = self.parts(numbers)
        lengths = np.linalg.norm(numbers.reshape(-1, 7)[:, :3], axis=1)
        cosines = self.directions @ axes.T
        lobes = self.root * np.exp(sharpness * (cosines - 1))
        found = np.zeros((len(self.directions), 3, len(axes), 7))
        across = self.directions[:, None, :] - cosines[:, :, None] * axes
        by_axis = (lobes * sharpness / lengths)[:, :, None] * across
        found[..., :3] = amplitudes.T[None, :, :, None] * by_axis[:, None]
        by_log = lobes * sharpness * (cosines - 1)
        found[..., 3] = amplitudes.T[None] * by_log[:, None, :]
        for channel in range(3):
            found[:, channel, :, 4 + channel] = lobes
        return found.reshape(-1, len(numbers))

    def covariance(self, numbers: Array, maps: Array) -> Array:
        """Covariance of the numbers, axes of unit length, to first order in changes of the map."""
        axes, sharpness, amplitudes = self.parts(numbers)
        unit = np.column_stack([axes, np.log(sharpness), amplitudes]).ravel()
        changes = (self.root * maps / self.unit).reshape(len(maps), -1)
        steps = np.linalg.lstsq(self.jacobian(unit), (changes - changes.mean(axis=0)).T, rcond=1e-6)
        scale = np.tile([1.0] * 4 + [self.unit] * 3, len(axes))
        return np.asarray(np.cov(steps[0] * scale[:, None]))
