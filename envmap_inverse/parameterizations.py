"""Parameterizations: the numbers that an optimizer looks for in place of the texels.

A parameterization is a pair of functions on flat Dr.Jit arrays: one from parameters to RGBA
texels, which Adam differentiates automatically, and one from texels to parameters. Those of few
numbers also have a `family`, with which `Transport` solves for them.
"""

# ruff: noqa: ARG002 - most have no use for the resolution

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.backend import dr, mi
from envmap_inverse.errors import check_counts, check_numbers, check_positive
from envmap_inverse.light_models.days import Days
from envmap_inverse.light_models.family import Family, Linear
from envmap_inverse.light_models.lobes import AMPLITUDES, Lobes, sharpness_of
from envmap_inverse.sphere import harmonic_basis
from envmap_inverse.sphere.lambert import fibonacci_directions
from envmap_inverse.sphere.latlong import resample, texel_directions, unflatten_rgba

__all__ = [
    "CHOICES",
    "PARAMETERIZATIONS",
    "SG",
    "SH",
    "Direct",
    "Exp",
    "Parameterization",
    "Pyramid",
    "Softplus",
    "SunSky",
]


class Parameterization(Protocol):
    """The functions that Adam calls on a parameterization.

    Example:
        >>> class SquareRoot:
        ...     def to_texels(self, parameters, resolution):
        ...         return parameters * parameters
        ...
        ...     def from_texels(self, texels, resolution):
        ...         return texels**0.5
        >>> chosen: ei.Parameterization = SquareRoot()
        >>> adam = ei.Adam(iterations=3, parameterization=chosen, frozen=False)
        >>> bool(ei.estimate(scene, image, optimizer=adam).texels.min() >= 0)
        True
    """

    def to_texels(self, parameters: Any, resolution: tuple[int, int]) -> Any:
        """Convert parameters to a map of (width, height) texels, flat RGBA; alpha is ignored."""

    def from_texels(self, texels: Any, resolution: tuple[int, int]) -> Any:
        """Convert a map, flat RGBA, to parameters, or else the nearest map that has parameters."""


POWER, POWER_FALLS = 2.7, 0.9
"""Power of radiance by degree l, over the square of its mean, is 2.7 / l^0.9: measured on 27
panoramas of Poly Haven, for l from 1 to 8 (2.7, 1.3, 1.1, 1.0, 0.7, 0.6, 0.5, 0.4)."""

MAX_LEVELS = 20
"""A map has at most 2^14 columns."""

MAX_LOBES, MAX_FREE_LOBES = 256, 64


@dataclass(frozen=True, kw_only=True)
class Direct:
    """The texels themselves, as in the tutorial; they may become negative.

    Example:
        >>> ei.Adam(parameterization=ei.Direct()) == ei.Adam()
        True
    """

    def to_texels(self, parameters: Any, resolution: tuple[int, int]) -> Any:
        """See `Parameterization`."""
        return parameters

    def from_texels(self, texels: Any, resolution: tuple[int, int]) -> Any:
        """See `Parameterization`."""
        return texels


@dataclass(frozen=True, kw_only=True)
class Exp:
    """texel = exp(parameter): a step changes dark and bright texels by the same factor.

    Attributes:
        floor: radiance from which darker texels start.

    Example:
        >>> adam = ei.Adam(iterations=3, parameterization=ei.Exp())
        >>> bool(ei.estimate(scene, image, optimizer=adam).texels.min() > 0)
        True
    """

    floor: float = 0.01

    def __post_init__(self) -> None:
        """Check the number."""
        check_positive(floor=self.floor)

    def to_texels(self, parameters: Any, resolution: tuple[int, int]) -> Any:
        """See `Parameterization`."""
        return dr.exp(parameters)

    def from_texels(self, texels: Any, resolution: tuple[int, int]) -> Any:
        """See `Parameterization`."""
        return dr.log(dr.maximum(texels, self.floor))


@dataclass(frozen=True, kw_only=True)
class Pyramid:
    """texel = exp(sum of levels): log radiance as a sum of ever coarser maps.

    Each level has half the rows and columns of the one before and is interpolated bilinearly on the
    sphere: columns are periodic, and the first and the last row are the poles. A step moves a whole
    region through the coarse levels, by the mean of its texels' gradients, and its details through
    the fine ones: light spreads to texels that few paths reach, but noise does not.

    Attributes:
        levels: number of maps, including the one at full resolution.
        floor: radiance from which darker texels start.

    Example:
        >>> adam = ei.Adam(iterations=3, parameterization=ei.Pyramid(levels=3))
        >>> bool(ei.estimate(scene, image, optimizer=adam).texels.min() > 0)
        True
    """

    levels: int = 8
    floor: float = 0.01

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_positive(floor=self.floor)
        check_counts(levels=self.levels, most=MAX_LEVELS)

    def to_texels(self, parameters: Any, resolution: tuple[int, int]) -> Any:
        """See `Parameterization`."""
        width, height = resolution
        index = dr.arange(mi.UInt32, 4 * width * height)
        row, column = (index >> 2) // width, (index >> 2) % width
        total, first = dr.gather(mi.Float, parameters, index), 4 * width * height
        for columns, rows in self._coarser(resolution):
            y = mi.Float(row) * ((rows - 1) / (height - 1))
            x = (mi.Float(column) + 0.5) * (columns / width) + (columns - 0.5)
            top, left = dr.minimum(mi.UInt32(y), rows - 2), mi.UInt32(x)
            below, right = y - mi.Float(top), x - mi.Float(left)
            for down, vertical in enumerate((1 - below, below)):
                for along, horizontal in enumerate((1 - right, right)):
                    texel = (top + down) * columns + (left + along) % columns
                    value = dr.gather(mi.Float, parameters, first + 4 * texel + (index & 3))
                    total += vertical * horizontal * value
            first += 4 * columns * rows
        return dr.exp(total)

    def from_texels(self, texels: Any, resolution: tuple[int, int]) -> Any:
        """See `Parameterization`; everything goes into the finest level."""
        sizes = [4 * columns * rows for columns, rows in (resolution, *self._coarser(resolution))]
        parameters = dr.zeros(mi.Float, sum(sizes))
        finest = dr.log(dr.maximum(texels, self.floor))
        dr.scatter(parameters, finest, dr.arange(mi.UInt32, sizes[0]))
        return parameters

    def _coarser(self, resolution: tuple[int, int]) -> list[tuple[int, int]]:
        """(columns, rows) of each level but the finest; rows are rounded up, poles included."""
        width, height = resolution
        scales = [2**level for level in range(1, self.levels)]
        return [(max(1, width // scale), 2 + (height - 2) // scale) for scale in scales]


@dataclass(frozen=True, kw_only=True)
class Softplus:
    """texel = knee log(1 + exp(parameter / knee)): exponential below the knee, linear above it.

    Attributes:
        knee: radiance at the transition.
        floor: radiance from which darker texels start.

    Example:
        >>> adam = ei.Adam(iterations=3, parameterization=ei.Softplus())
        >>> bool(ei.estimate(scene, image, optimizer=adam).texels.min() > 0)
        True
    """

    knee: float = 0.1
    floor: float = 0.01

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_positive(knee=self.knee, floor=self.floor)

    def to_texels(self, parameters: Any, resolution: tuple[int, int]) -> Any:
        """See `Parameterization`; 2 atanh(e / (2 + e)) is log(1 + e), precise for small e."""
        small = dr.exp(-dr.abs(parameters) / self.knee)
        return dr.maximum(parameters, 0) + 2 * self.knee * dr.atanh(small / (2 + small))

    def from_texels(self, texels: Any, resolution: tuple[int, int]) -> Any:
        """See `Parameterization`."""
        lit = dr.maximum(texels, self.floor)
        return lit + self.knee * dr.log(1 - dr.exp(-lit / self.knee))


@dataclass(frozen=True, kw_only=True)
class SH:
    """texel = sum of spherical harmonics: (order + 1)^2 coefficients of radiance for each channel.

    A diffuse object shows little of what is finer than order 2 (Ramamoorthi and Hanrahan 2001): a
    few coefficients follow from few pixels, and noise does not get into thousands of texels. They
    are those of `spherical_harmonics`. Texels may become negative.

    Attributes:
        order: highest degree, up to 8.

    Example:
        >>> adam = ei.Adam(iterations=3, parameterization=ei.SH(order=2))
        >>> ei.estimate(scene, image, optimizer=adam).texels.shape
        (8, 16, 3)
    """

    order: int = 4

    def __post_init__(self) -> None:
        """Check the number."""
        check_numbers(order=self.order, least=0, most=harmonic_basis.MAX_ORDER)
        check_counts(order=self.order, least=0)

    def to_texels(self, parameters: Any, resolution: tuple[int, int]) -> Any:
        """See `Parameterization`."""
        index, x, y, z = _directions(resolution)
        channel, total = index & 3, mi.Float(0)
        for number, value in enumerate(harmonic_basis.harmonics(x, y, z, self.order)):
            coefficient = dr.gather(mi.Float, parameters, 3 * number + channel, channel < 3)
            total += value * coefficient
        return total

    def family(self, resolution: tuple[int, int]) -> Family:
        """The harmonics, whose power falls with their degree; see `Sums`."""
        width, height = resolution
        maps = harmonic_basis.basis(texel_directions(height, width), self.order)
        degrees = harmonic_basis.degrees_of(self.order)
        mean = np.zeros(len(degrees))
        mean[0] = math.sqrt(4 * math.pi)
        powers = np.where(degrees > 0, POWER / np.maximum(degrees, 1) ** POWER_FALLS, mean[0] ** 2)
        return Linear(maps.reshape(-1, len(degrees)), mean, np.sqrt(powers))

    def from_texels(self, texels: Any, resolution: tuple[int, int]) -> Any:
        """See `Parameterization`: the integrals of the map times each harmonic."""
        maps = unflatten_rgba(np.array(texels), resolution)
        return mi.Float(harmonic_basis.project(maps, self.order).ravel().astype(np.float32))


@dataclass(frozen=True, kw_only=True)
class SG:
    """texel = sum of exp(parameter) G: spherical Gaussians whose axes lie evenly over the sphere.

    G = exp(sharpness (d . axis - 1)) falls to 1/e at the axes next to it; free lobes begin so, and
    then their axes and sharpness are parameters, too. Texels stay positive.

    Attributes:
        lobes: how many.
        floor: least amplitude at the start.
        free: whether axes and sharpness are solved for, too, for up to 64 lobes.

    Example:
        >>> adam = ei.Adam(iterations=3, parameterization=ei.SG(lobes=8))
        >>> bool(ei.estimate(scene, image, optimizer=adam).texels.min() > 0)
        True
    """

    lobes: int = 16
    floor: float = 0.01
    free: bool = False

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_positive(floor=self.floor)
        check_counts(lobes=self.lobes, most=MAX_FREE_LOBES if self.free else MAX_LOBES)

    def to_texels(self, parameters: Any, resolution: tuple[int, int]) -> Any:
        """See `Parameterization`."""
        index, *direction = _directions(resolution)
        channel, total = index & 3, mi.Float(0)
        for number in range(self.lobes):
            axis, sharpness = self._shape(parameters, number)
            cosine = sum(along * part for along, part in zip(axis, direction, strict=True))
            logarithm = dr.gather(mi.Float, parameters, 3 * number + channel, channel < 3)
            total += dr.exp(logarithm + sharpness * (cosine - 1))
        return total

    def _shape(self, parameters: Any, number: int) -> tuple[list[Any], Any]:
        """Axis and sharpness of a lobe."""
        if not self.free:
            return fibonacci_directions(self.lobes)[number].tolist(), self._sharpness
        first = 3 * self.lobes + 4 * number
        x, y, z, logarithm = (
            dr.gather(mi.Float, parameters, mi.UInt32(first + k)) for k in range(4)
        )
        length = dr.rsqrt(x * x + y * y + z * z)
        return [x * length, y * length, z * length], dr.exp(logarithm)

    def family(self, resolution: tuple[int, int]) -> Family:
        """The lobes, whose amplitudes are not negative; see `Sums`."""
        if self.free:
            return Lobes(resolution, self.lobes)
        width, height = resolution
        cosines = (
            texel_directions(height, width).reshape(-1, 3) @ fibonacci_directions(self.lobes).T
        )
        maps = np.exp(self._sharpness * (cosines - 1))
        mean = np.full(self.lobes, 1 / maps.sum(axis=1).mean())
        return Linear(maps, mean, AMPLITUDES * mean, is_positive=True)

    def from_texels(self, texels: Any, resolution: tuple[int, int]) -> Any:
        """See `Parameterization`: amplitudes by least squares, none below the floor."""
        from scipy.optimize import nnls  # noqa: PLC0415 - slow to import

        width, height = resolution
        rows, columns = min(height, 16), min(width, 32)
        coarse = resample(unflatten_rgba(np.array(texels), resolution), rows, columns)
        directions = texel_directions(rows, columns).reshape(-1, 3)
        cosines = directions @ fibonacci_directions(self.lobes).T
        lobes = np.exp(self._sharpness * (cosines - 1))
        found = [nnls(lobes, coarse.reshape(-1, 3)[:, channel])[0] for channel in range(3)]
        amplitudes: NDArray[Any] = np.maximum(np.stack(found, axis=1), self.floor)
        parameters = np.log(amplitudes).ravel()
        if self.free:
            logarithms = np.full((self.lobes, 1), math.log(self._sharpness))
            shapes = np.hstack([fibonacci_directions(self.lobes), logarithms])
            parameters = np.concatenate([parameters, shapes.ravel()])
        return mi.Float(parameters.astype(np.float32))

    @property
    def _sharpness(self) -> float:
        return sharpness_of(self.lobes)


@dataclass(frozen=True, kw_only=True)
class SunSky:
    """Mitsuba's `sunsky` above ground that is the same everywhere: 12 numbers, for open fields.

    They are the turbidity, the sun's direction, and R, G, B of sky, sun and ground. Colours of sky
    and sun stay within some 10 % of the model's (Hosek and Wilkie 2012). +y of the map is up.

    Example:
        >>> optimizer = ei.Transport(spp=16, parameterization=ei.SunSky())
        >>> result = ei.estimate(scene, image, optimizer=optimizer)
        >>> bool(1 <= result.posterior.described()["turbidity"] <= 10)
        True
    """

    def family(self, resolution: tuple[int, int]) -> Family:
        """The maps; see `Sums`."""
        return Days(resolution)


def _directions(resolution: tuple[int, int]) -> tuple[Any, Any, Any, Any]:
    """Index of each number of flat RGBA, and its texel's direction; see `latlong`."""
    width, height = resolution
    index = dr.arange(mi.UInt32, 4 * width * height)
    row, column = (index >> 2) // width, (index >> 2) % width
    sine, cosine = dr.sincos(mi.Float(row) * (math.pi / (height - 1)))
    sine_phi, cosine_phi = dr.sincos((mi.Float(column) + 0.5) * (2 * math.pi / width))
    return index, sine_phi * sine, cosine, -cosine_phi * sine


PARAMETERIZATIONS: tuple[type[Parameterization], ...] = (Direct, Exp, Pyramid, Softplus, SH, SG)
"""Those whose maps Dr.Jit draws."""

CHOICES: tuple[type[Any], ...] = (*PARAMETERIZATIONS, SunSky)
"""The parameterizations that `--parameterization` offers."""
