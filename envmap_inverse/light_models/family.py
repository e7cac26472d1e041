"""What `Transport` needs to know of maps that follow from few numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Array",
    "Family",
    "Linear",
    "Spot",
    "Sums",
    "Tangents",
    "texels_of",
    "without_spots",
]

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Spot:
    """Light from a place so narrow that few paths of a dull object meet it.

    Attributes:
        place: unit vector towards it, shape (3,).
        light: mean radiance over the sphere, shape (3,).
        draw: makes a map, shape (H * W,), of mean radiance 1 from one place.
    """

    place: Array
    light: Array
    draw: Callable[[Array], Array]

    @property
    def share(self) -> Array:
        """Its map at mean radiance 1, shape (H * W, 1)."""
        return self.draw(self.place)[:, None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Tangents:
    """Derivatives of a map's texels by its numbers, as sums of maps.

    The derivative of channel k by number i is the sum over maps m of maps[m, :, k] mix[m, i, k].
    Spots, whose maps are not among `maps`, follow them in `mix`.

    Attributes:
        maps: shape (m, H * W, 1) if all channels have the same ones, else (m, H * W, 3).
        mix: shape (m, numbers, 3).
        spots: further maps.
    """

    maps: Array
    mix: Array
    spots: tuple[Spot, ...] = ()

    def variance(self, covariance: Array) -> Array:
        """Variance of each texel, shape (H * W, 3), by the covariance of the numbers; no spots."""
        found = []
        for channel in range(3):
            mix = self.mix[:, :, channel]
            maps = self.maps[:, :, min(channel, self.maps.shape[2] - 1)]
            found.append(np.sum(((mix @ covariance @ mix.T) @ maps) * maps, axis=0))
        variance: Array = np.maximum(np.stack(found, axis=1), 0)
        return variance


class Family(Protocol):
    """Maps (H * W, 3) of mean radiance near 1 that follow from n numbers.

    Attributes:
        mean: what is to be expected of the numbers, shape (n,).
        precision: inverse of their covariance, shape (n, n).
        low: their least values, shape (n,).
        high: their greatest values.
        is_shape: which of them the map does not follow from linearly, shape (n,).
    """

    @property
    def mean(self) -> Array: ...  # noqa: D102

    @property
    def precision(self) -> Array: ...  # noqa: D102

    @property
    def low(self) -> Array: ...  # noqa: D102

    @property
    def high(self) -> Array: ...  # noqa: D102

    @property
    def is_shape(self) -> NDArray[np.bool_]: ...  # noqa: D102

    def parts(self, numbers: Array) -> tuple[Array, Spot | None]:
        """The map, shape (H * W, 3), without its spot; and the spot, if it has one."""

    def tangents(self, numbers: Array) -> Tangents:
        """Its derivatives."""

    def starts(self, guess: Array) -> list[Array]:
        """Numbers to begin with, of which the best are taken; `guess` is a map (H * W, 3)."""

    def described(self, numbers: Array, covariance: Array, unit: float) -> dict[str, Any]:
        """What they say of a map whose radiance is so many times as large; for `summary.json`."""


def texels_of(family: Family, numbers: Array) -> Array:
    """The map of some numbers, shape (H * W, 3)."""
    broad, spot = family.parts(numbers)
    return broad if spot is None else broad + spot.share * spot.light


def without_spots(tangents: Tangents) -> Tangents:
    """The same derivatives with the spots among the maps."""
    if not tangents.spots:
        return tangents
    drawn = [each.share * each.light for each in tangents.spots]
    return Tangents(maps=np.concatenate([tangents.maps, np.stack(drawn)]), mix=tangents.mix)


class Linear:
    """Sums of given maps. Numbers are their coefficients, R, G, B of each: a `Family`."""

    def __init__(
        self, maps: Array, mean: Array, deviation: Array, *, is_positive: bool = False
    ) -> None:
        """Take the maps.

        Args:
            maps: shape (H * W, n).
            mean: expected coefficients for light of mean radiance 1, shape (n,).
            deviation: their standard deviation, shape (n,).
            is_positive: whether no coefficient is negative.
        """
        self.mean = np.repeat(mean, 3)
        self.precision = np.diag(np.repeat(deviation, 3) ** -2.0)
        self.low = np.full(len(self.mean), 0.0 if is_positive else -np.inf)
        self.high = np.full(len(self.mean), np.inf)
        self.is_shape = np.zeros(len(self.mean), bool)
        numbers = np.arange(len(self.mean)).reshape(-1, 3)
        mix = np.zeros((len(mean), len(self.mean), 3))
        for channel in range(3):
            mix[np.arange(len(mean)), numbers[:, channel], channel] = 1
        self._tangents = Tangents(maps=np.asarray(maps.T, np.float64)[:, :, None], mix=mix)

    def parts(self, numbers: Array) -> tuple[Array, None]:
        """See `Family`."""
        return np.asarray(self._tangents.maps[:, :, 0].T @ numbers.reshape(-1, 3)), None

    def tangents(self, numbers: Array) -> Tangents:  # noqa: ARG002 - always the same
        """See `Family`."""
        return self._tangents

    def starts(self, guess: Array) -> list[Array]:  # noqa: ARG002
        """See `Family`."""
        return [self.mean]

    def described(self, numbers: Array, covariance: Array, unit: float) -> dict[str, Any]:  # noqa: ARG002
        """See `Family`; `export --to sh` and `sg` say more."""
        return {}


class Sums(Protocol):
    """A parameterization whose maps follow from few numbers, which `Transport` can solve for."""

    def family(self, resolution: tuple[int, int]) -> Family:
        """The maps of (width, height) texels."""
