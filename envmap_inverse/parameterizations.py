"""Parameterizations: the numbers that Adam changes in place of the texels.

A parameterization is a pair of functions on flat Dr.Jit arrays: one from parameters to RGBA
texels, which Adam differentiates automatically, and one from texels to parameters.
"""

# ruff: noqa: ARG002 - most have no use for the resolution

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from envmap_inverse.backend import dr, mi
from envmap_inverse.errors import check_counts, check_positive

__all__ = ["PARAMETERIZATIONS", "Direct", "Exp", "Parameterization", "Pyramid", "Softplus"]


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
        check_counts(levels=self.levels)

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


PARAMETERIZATIONS: tuple[type[Parameterization], ...] = (Direct, Exp, Pyramid, Softplus)
"""The parameterizations that `--parameterization` offers and the tests try."""
