"""The lamps of a map, each with its direction, size and irradiance, and the map without them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.lights.light import Light, Recovered
from envmap_inverse.natural_light import filled
from envmap_inverse.sphere.basins import basins, grown
from envmap_inverse.sphere.latlong import texel_directions, texel_solid_angles
from envmap_inverse.sphere.lights import LUMINANCE

__all__ = ["Lamp", "Lamps", "find_lamps"]

Array = NDArray[np.float64]

CONTRAST = 3.0
"""A lamp is brighter than this many times the mean luminance."""

SADDLE = 0.5
"""Lamps that touch are two if the light between them falls below this share of the fainter peak."""

EDGE, WIDEST = 0.05, math.radians(30)
"""Lamps of up to that diameter reach on down to this share of their peak, as blur widens edges."""

MIN_SHARE = 0.01
"""A lamp has at least this share of all luminance, beyond the light around it."""

SMALL = math.radians(5)
"""Angular diameter up to which a lamp is directional."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Lamp:
    """A lamp, infinitely far away, like all light of a map.

    Attributes:
        direction: unit vector towards it in the map's frame, shape (3,).
        solid_angle: of a uniform disc with the same irradiance and mean square, steradians.
        radiance: of that disc, beyond the light around it, shape (3,).
        irradiance: of a surface that faces the lamp, W/m^2 of linear RGB, shape (3,).
        share: of the map's luminance.
        irradiance_deviation: standard deviation, shape (3,); None if it is not known.
        solid_angle_deviation: the same, of the solid angle.
        direction_covariance: of the unit vector, shape (3, 3), radians squared; the same.

    Example:
        >>> night = np.full((32, 64, 3), 0.1)
        >>> night[8, 40] = 50
        >>> lamp: ei.Lamp = ei.find_lamps(night).lamps[0]
        >>> lamp.kind, lamp.direction.round(1)
        ('area', array([-0.5,  0.7,  0.5]))
    """

    direction: Array
    solid_angle: float
    radiance: Array
    irradiance: Array
    share: float
    irradiance_deviation: Array | None = None
    solid_angle_deviation: float | None = None
    direction_covariance: Array | None = None

    @property
    def angular_diameter(self) -> float:
        """Diameter of a disc of that solid angle, radians."""
        return 2 * math.acos(1 - self.solid_angle / (2 * math.pi))

    @property
    def kind(self) -> str:
        """Either "directional", up to a diameter of 5 degrees, or "area"."""
        return "directional" if self.angular_diameter <= SMALL else "area"

    @property
    def direction_deviation(self) -> Array | None:
        """Standard deviations along the long and the short axis of the error ellipse, radians."""
        if self.direction_covariance is None:
            return None
        variances = np.linalg.eigvalsh(self.direction_covariance)[:0:-1]
        return np.asarray(np.sqrt(np.maximum(variances, 0)))

    def as_dict(self) -> dict[str, Any]:
        """The entries of a JSON file; see docs/lights.md."""

        def listed(values: Array | None) -> list[Any] | None:
            return None if values is None else values.tolist()

        return {
            "kind": self.kind,
            "direction": listed(self.direction),
            "direction_deviation": listed(self.direction_deviation),
            "direction_covariance": listed(self.direction_covariance),
            "angular_diameter": self.angular_diameter,
            "solid_angle": self.solid_angle,
            "solid_angle_deviation": self.solid_angle_deviation,
            "radiance": listed(self.radiance),
            "irradiance": listed(self.irradiance),
            "irradiance_deviation": listed(self.irradiance_deviation),
            "share": self.share,
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Lamps:
    """The lamps of a map, the brightest first, and the rest of its light.

    Attributes:
        lamps: the lamps.
        residual: the map without them, shape (H, W, 3).
        regions: the number of the lamp from 1 that each texel belongs to, or 0, shape (H, W).
        texels: the map with them, shape (H, W, 3).

    Example:
        >>> night = np.full((32, 64, 3), 0.1)
        >>> night[8, 40] = 50
        >>> lamps: ei.Lamps = ei.find_lamps(night)
        >>> len(lamps), lamps.residual.max()
        (1, np.float32(0.1...))
    """

    lamps: tuple[Lamp, ...]
    residual: NDArray[np.float32]
    regions: NDArray[np.intp]
    texels: NDArray[np.float32]

    def __len__(self) -> int:
        """Number of lamps."""
        return len(self.lamps)

    def without(self, numbers: list[int]) -> NDArray[np.float32]:
        """The map without some of the lamps, counted from 0; shape (H, W, 3)."""
        is_taken = np.isin(self.regions, [number + 1 for number in numbers])
        return np.where(is_taken[:, :, None], self.residual, self.texels)

    def as_dict(self) -> dict[str, Any]:
        """The entries of a JSON file; see docs/lights.md."""
        return {"lamps": [lamp.as_dict() for lamp in self.lamps]}

    def __repr__(self) -> str:
        """One line."""
        share = sum(lamp.share for lamp in self.lamps)
        return f"<{len(self.lamps)} lamps with {share:.0%} of the light>"


def find_lamps(light: Light | Recovered | ArrayLike) -> Lamps:
    """Find the lamps of a map: regions that are bright and hold much of its light.

    A texel is bright if its luminance exceeds 3 times the mean over the sphere. Bright texels that
    touch belong to one lamp, unless the light between two peaks falls below half of the fainter.
    Rough objects blur the edges of lamps: those of up to 30 degrees reach on as long as the light
    falls, down to a twentieth of their peak, or to the mean if that is more.

    Under the lamps the map goes on as around them: its logarithm is harmonic there, and it is no
    brighter than the mean. What exceeds that is the lamp's; with less than 1 % of the map's
    luminance it is none.

    Deviations are those among 64 random maps that explain the pictures (`Estimate.samples`). Finer
    detail adds to them as if each texel's error were independent, and the place of the light within
    a texel as if any were as likely.

    Args:
        light: an estimate, or texels (H, W, 3), for which no deviation is known.

    Returns:
        The lamps; none on a map without contrast.

    Raises:
        InputError: if texels cannot be a map.

    Example:
        >>> night = np.full((32, 64, 3), 0.1)
        >>> night[8, 40] = 50
        >>> ei.find_lamps(night)
        <1 lamps with 22% of the light>
    """
    known = Light.of(light)
    texels = np.maximum(known.texels, 0).astype(np.float64)
    weights = texel_solid_angles(*texels.shape[:2])
    luminance = texels @ np.asarray(LUMINANCE)
    total = max(float(np.sum(luminance * weights)), np.finfo(float).tiny)
    numbered = _regions(luminance, weights, total / (4 * np.pi))
    rest = _rest(texels, numbered > 0, total / (4 * np.pi))
    found, regions = [], np.zeros(luminance.shape, np.intp)
    shares = np.bincount(
        numbered.ravel(), (((texels - rest) @ np.asarray(LUMINANCE)) * weights).ravel() / total
    )[1:]
    for number in np.argsort(-shares, kind="stable"):
        if shares[number] < MIN_SHARE:
            break
        lamp = _lamp(known, rest, numbered == number + 1, float(shares[number]))
        if lamp is not None:
            found.append(lamp)
            regions[numbered == number + 1] = len(found)
    residual = np.where(regions[:, :, None] > 0, rest, known.texels).astype(np.float32)
    return Lamps(lamps=tuple(found), residual=residual, regions=regions, texels=known.texels)


def _regions(luminance: Array, weights: Array, mean: float) -> NDArray[np.intp]:
    """Numbers from 1 of the regions that may be lamps, or 0, shape (H, W)."""
    numbered = basins(luminance, luminance > CONTRAST * mean, SADDLE)
    floors = np.full(int(numbered.max()), CONTRAST * mean)
    for number in range(len(floors)):
        region = numbered == number + 1
        excess = luminance[region] - mean
        if _solid_angle(excess * weights[region], weights[region]) <= _cap(WIDEST):
            peak = float(luminance[region].max())
            floors[number] = min(CONTRAST * mean, max(EDGE * peak, mean))
    return grown(luminance, numbered, floors)


def _rest(texels: Array, is_bright: NDArray[np.bool_], mean: float) -> Array:
    """The light behind the lamps: at most that of the map, and no brighter than the map's mean.

    Were there no such limit, the blur around a lamp that is seen in a rough object would count as
    light behind it.
    """
    floor = max(float(texels.mean()) * 1e-4, 1e-30)
    logs = np.log(np.maximum(texels, floor)).astype(np.float32)
    smooth = np.exp(filled(logs, np.full_like(logs, math.log(floor)), ~is_bright))
    luminance = smooth @ np.asarray(LUMINANCE)
    smooth *= np.minimum(1, mean / np.maximum(luminance, 1e-30))[:, :, None]
    return np.where(is_bright[:, :, None], np.minimum(smooth, texels), texels)


def _lamp(light: Light, rest: Array, region: NDArray[np.bool_], share: float) -> Lamp | None:
    """The lamp of a region; None for a ring around the sphere, which has no direction."""
    height, width = region.shape
    weights = texel_solid_angles(height, width)[region]
    places = texel_directions(height, width)[region]
    excess = np.maximum(light.texels[region] - rest[region], 0)
    direction, irradiance, solid_angle = _measured(excess, weights, places)
    if np.linalg.norm(np.sum((weights * excess.mean(axis=1))[:, None] * places, axis=0)) < 1e-6:
        return None
    lamp = {
        "direction": direction,
        "irradiance": irradiance,
        "solid_angle": solid_angle,
        "radiance": np.sum(weights[:, None] * excess, axis=0) / solid_angle,
        "share": share,
    }
    if light.samples is None:
        return Lamp(**lamp)
    drawn = light.samples[:, region].astype(np.float64) - rest[region]
    directions, irradiances, solid_angles = (
        np.array(part)
        for part in zip(*(_measured(each, weights, places) for each in drawn), strict=True)
    )
    detail = _detail(light, region)
    spread = np.cov(irradiances, rowvar=False).diagonal() + weights**2 @ detail
    return Lamp(
        **lamp,
        irradiance_deviation=np.sqrt(spread),
        solid_angle_deviation=float(np.std(solid_angles, ddof=1)),
        direction_covariance=_covariance(direction, directions)
        + _within_texels(excess, detail, weights, places, direction, math.pi / (height - 1)),
    )


def _measured(excess: Array, weights: Array, places: Array) -> tuple[Array, Array, float]:
    """Direction, irradiance and solid angle of light (texels, 3)."""
    sent = weights[:, None] * excess
    grey = sent @ np.asarray(LUMINANCE)
    moment = grey @ places
    direction = moment / max(float(np.linalg.norm(moment)), 1e-30)
    return direction, (places @ direction) @ sent, _solid_angle(grey, weights)


def _solid_angle(sent: Array, weights: Array) -> float:
    """Solid angle of a disc with the same sum, and sum of squares, of light sent by texels."""
    squares = float(np.sum(sent**2 / weights))
    return min(float(np.sum(sent)) ** 2 / max(squares, 1e-30), 4 * math.pi)


def _cap(diameter: float) -> float:
    """Solid angle of a disc."""
    return 2 * math.pi * (1 - math.cos(diameter / 2))


def _detail(light: Light, region: NDArray[np.bool_]) -> Array:
    """Variance of each texel that the samples lack, shape (texels, 3)."""
    if light.samples is None or light.deviation is None:
        return np.zeros((int(np.count_nonzero(region)), 3))
    drawn = np.var(light.samples[:, region], axis=0, ddof=1, dtype=np.float64)
    return np.asarray(np.maximum(light.deviation[region].astype(np.float64) ** 2 - drawn, 0))


def _covariance(direction: Array, directions: Array) -> Array:
    """Covariance of unit vectors across the mean direction."""
    across = directions - (directions @ direction)[:, None] * direction
    return np.asarray(np.cov(across, rowvar=False))


def _within_texels(
    excess: Array, detail: Array, weights: Array, places: Array, direction: Array, size: float
) -> Array:
    """Covariance of the direction from each texel's error, and from the place within texels."""
    sent = weights * excess.mean(axis=1)
    shares = sent / max(float(sent.sum()), 1e-30)
    errors = weights * np.sqrt(detail.mean(axis=1)) / max(float(sent.sum()), 1e-30)
    across = places - (places @ direction)[:, None] * direction
    plane = np.eye(3) - np.outer(direction, direction)
    found = (errors[:, None] * across).T @ (errors[:, None] * across)
    return np.asarray(found + plane * np.sum(shares**2) * size**2 / 12)
