"""Light as spherical harmonics, with covariance, and in the conventions of other programs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.errors import InputError, check_counts, check_numbers
from envmap_inverse.lights.light import Light, Recovered
from envmap_inverse.sphere import harmonic_basis
from envmap_inverse.sphere.latlong import texel_directions

__all__ = ["SphericalHarmonics", "spherical_harmonics"]

Array = NDArray[np.float64]

SHADER_FACTORS = np.array(
    [
        math.sqrt(1 / math.pi) / 2,
        *[math.sqrt(3 / math.pi) / 3] * 3,
        *[math.sqrt(15 / math.pi) / 8] * 2,
        math.sqrt(5 / math.pi) / 16,
        math.sqrt(15 / math.pi) / 8,
        math.sqrt(15 / math.pi) / 16,
    ]
)
"""The harmonic's constant times its cosine factor over pi: of Filament's and Unity's shaders."""

SIGNS = np.array([1, -1, 1, -1, 1, -1, 1, -1, 1])
"""The Condon-Shortley phase (-1)^m."""

TO_UNITY = np.diag([-1.0, 1, 1])
"""Unity's left-handed axes, +y up: its importers of right-handed models negate x."""

TO_UNREAL = np.array([[1.0, 0, 0], [0, 0, 1], [0, 1, 0]])
"""Unreal's left-handed axes, +z up: its glTF importer makes (x, z, y) of (x, y, z)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SphericalHarmonics:
    """Radiance as a sum of real, orthonormal harmonics in the map's frame.

    Harmonic l, m has the index l (l + 1) + m, and no Condon-Shortley phase: Y_0 = 1 / sqrt(4 pi)
    and Y_1 = sqrt(3 / 4 pi) (y, z, x). `numpy.asarray` makes an array of the coefficients.

    Attributes:
        coefficients: integrals of the radiance times each harmonic, shape ((order + 1)^2, 3).
        covariance: of the coefficients, harmonic by harmonic and R, G, B within each, shape
            (3 (order + 1)^2, 3 (order + 1)^2); None if it is not known.

    Example:
        >>> result = ei.estimate(scene, image, optimizer=ei.Transport(spp=16))
        >>> harmonics: ei.SphericalHarmonics = ei.spherical_harmonics(result, order=2)
        >>> harmonics.deviation.shape, harmonics.irradiance([0, 1, 0]).shape
        ((9, 3), (3,))
    """

    coefficients: Array
    covariance: Array | None = None

    @property
    def order(self) -> int:
        """Highest degree l."""
        return math.isqrt(len(self.coefficients)) - 1

    @property
    def deviation(self) -> Array | None:
        """Standard deviation of each coefficient, shape ((order + 1)^2, 3)."""
        if self.covariance is None:
            return None
        return np.sqrt(np.diag(self.covariance)).reshape(-1, 3)

    @cached_property
    def irradiance_coefficients(self) -> Array:
        """Coefficients of the irradiance by normal, the radiance convolved with the cosine."""
        return self.coefficients * harmonic_basis.cosine_factors(self.order)[:, None]

    def radiance(self, directions: ArrayLike) -> Array:
        """Radiance from directions of the map's frame, shape (..., 3); it may be negative.

        Args:
            directions: towards the light, shape (..., 3).
        """
        return harmonic_basis.basis(directions, self.order) @ self.coefficients

    def irradiance(self, normals: ArrayLike) -> Array:
        """Irradiance of surfaces, shape (..., 3); a diffuse one has this radiance times rho / pi.

        Args:
            normals: of the surfaces in the map's frame, shape (..., 3).
        """
        return harmonic_basis.basis(normals, self.order) @ self.irradiance_coefficients

    def irradiance_deviation(self, normals: ArrayLike) -> Array | None:
        """Standard deviation of the irradiance, shape (..., 3); None if it is not known."""
        if self.covariance is None:
            return None
        weights = harmonic_basis.basis(normals, self.order)
        weights = weights * harmonic_basis.cosine_factors(self.order)
        size = len(self.coefficients)
        blocks = np.einsum("jckc->cjk", self.covariance.reshape(size, 3, size, 3))
        variance = np.einsum("...j,cjk,...k->...c", weights, blocks, weights, optimize=True)
        return np.asarray(np.sqrt(np.maximum(variance, 0)))

    def texels(self, height: int, width: int) -> NDArray[np.float32]:
        """A map of this radiance, shape (H, W, 3); it may be negative."""
        return np.asarray(self.radiance(texel_directions(height, width)), np.float32)

    def turned(self, matrix: ArrayLike) -> SphericalHarmonics:
        """The same light in other axes, or turned light.

        Args:
            matrix: of the map's axes to the new ones, orthogonal, shape (3, 3).

        Raises:
            InputError: if the matrix is not orthogonal.
        """
        axes = np.asarray(matrix, np.float64)
        if axes.shape != (3, 3) or not np.allclose(axes @ axes.T, np.eye(3), atol=1e-6):
            raise InputError(f"matrix must be orthogonal, of shape (3, 3); found {axes.tolist()}")
        size = len(self.coefficients)
        mixing = harmonic_basis.turned(np.eye(size)[:, :, None], axes)[:, :, 0].T
        full = np.kron(mixing, np.eye(3))
        return SphericalHarmonics(
            coefficients=mixing @ self.coefficients,
            covariance=None if self.covariance is None else full @ self.covariance @ full.T,
        )

    def for_three_js(self) -> Array:
        """`LightProbe.sh.coefficients` of three.js: radiance, its axes are ours. Shape (9, 3)."""
        return self._first_nine()

    def for_filament(self) -> Array:
        """`sh` of Filament's `IndirectLight::Builder::irradiance(3, sh)`. Shape (9, 3).

        The irradiance over pi as factors of 1, y, z, x, xy, yz, 3 z^2 - 1, xz and x^2 - y^2; axes
        are ours. (The table in IndirectLight.h has minus signs where its own coefficients have the
        Condon-Shortley phase.)
        """
        return np.asarray(self._first_nine() * SHADER_FACTORS[:, None])

    def for_unity(self) -> Array:
        """`SphericalHarmonicsL2[channel, coefficient]` of Unity, transposed. Shape (9, 3).

        The factors that Filament has, too, in Unity's axes (-x, y, z).
        """
        return np.asarray(self.turned(TO_UNITY)._first_nine() * SHADER_FACTORS[:, None])

    def for_unreal(self) -> Array:
        """`FSHVectorRGB3` of Unreal. Shape (9, 3).

        Radiance in Unreal's axes (x, z, y), with the Condon-Shortley phase as `SHBasisFunction3`
        has it.
        """
        return np.asarray(self.turned(TO_UNREAL)._first_nine() * SIGNS[:, None])

    def as_dict(self) -> dict[str, Any]:
        """The entries of a JSON file; see docs/lights.md."""
        deviation = self.deviation
        return {
            "order": self.order,
            "coefficients": self.coefficients.tolist(),
            "deviation": None if deviation is None else deviation.tolist(),
            "covariance": None if self.covariance is None else self.covariance.tolist(),
            "irradiance": self.irradiance_coefficients.tolist(),
            "three.js": self.for_three_js().tolist(),
            "filament": self.for_filament().tolist(),
            "unity": self.for_unity().tolist(),
            "unreal": self.for_unreal().tolist(),
        }

    def _first_nine(self) -> Array:
        """The coefficients up to order 2, with zeros for those that are not there."""
        found = np.zeros((9, 3))
        found[: len(self.coefficients)] = self.coefficients[:9]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """The coefficients."""
        return np.array(self.coefficients, dtype) if copy else np.asarray(self.coefficients, dtype)

    def __repr__(self) -> str:
        """One line."""
        known = "unknown" if self.covariance is None else "known"
        return f"<SphericalHarmonics up to order {self.order}, deviation {known}>"


def spherical_harmonics(light: Light | Recovered | ArrayLike, order: int = 2) -> SphericalHarmonics:
    """Express light as spherical harmonics.

    Coefficients are exact integrals of the map as Mitsuba interpolates it, bilinearly. Their
    covariance is that among 64 random maps that explain the pictures (`Estimate.samples`).

    Args:
        light: an estimate, or texels (H, W, 3), for which no covariance is known.
        order: highest degree, from 0 to 8. Order 2 gives the irradiance within a few per cent
            (Ramamoorthi and Hanrahan 2001).

    Raises:
        InputError: if the order is none, or the texels cannot be a map.

    Example:
        >>> sky = np.ones((16, 32, 3))
        >>> np.asarray(ei.spherical_harmonics(sky)).round(3)[0]
        array([3.545, 3.545, 3.545])
    """
    check_numbers(order=order, least=0, most=harmonic_basis.MAX_ORDER)
    check_counts(order=order, least=0)
    known = Light.of(light)
    covariance = None
    if known.samples is not None:
        drawn = harmonic_basis.project(known.samples, order)
        covariance = np.cov(drawn.reshape(len(drawn), -1), rowvar=False)
    return SphericalHarmonics(
        coefficients=harmonic_basis.project(known.texels, order), covariance=covariance
    )
