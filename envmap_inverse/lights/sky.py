"""Sun and sky: the parameters of Mitsuba's `sunsky` that look most like a map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.backend import select_variant
from envmap_inverse.backend.exclusive import exclusive
from envmap_inverse.light_models.sky import (
    ALBEDO,
    TURBIDITIES,
    emitter,
    radiance,
    sun_irradiance,
)
from envmap_inverse.lights.lamps import Lamp, find_lamps
from envmap_inverse.lights.light import Light, Recovered
from envmap_inverse.sphere.latlong import resample, texel_directions, texel_solid_angles
from envmap_inverse.sphere.lights import LUMINANCE

__all__ = ["SunAndSky", "sun_and_sky"]

Array = NDArray[np.float64]

GRID = 33, 64
"""Rows and columns of the map that is fitted."""

HORIZON, AROUND_SUN = 0.1, np.cos(np.radians(15))
"""The sky is fitted above this height (y), and outside this cosine from the sun."""

MAX_MISFIT = 0.6
"""Skies of panoramas come closer, clouds included; rooms do not."""

SUN_BLUR = np.radians(35)
"""Larger lamps are the glow of the sky, not a sun that cloud or a rough object blurs."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SunAndSky:
    """The sun and the sky of a map, as Mitsuba's `sunsky` emitter has them.

    Attributes:
        is_outdoors: whether the model describes the upper half of the map.
        reason: a few words on that.
        turbidity: from 1, pure air, to 10, haze.
        sun_direction: unit vector towards the sun in the map's frame, shape (3,).
        sun_irradiance: of a surface that faces the sun, linear RGB, shape (3,); 0 if no sun shows.
        sky_scale: factor on the model's sky.
        sun_scale: factor on the model's sun, by luminance.
        misfit: root mean square of the differences of log radiance from the model's sky, above the
            horizon and 15 degrees away from the sun.
        turbidity_deviation: standard deviation; None if it is not known.
        sky_scale_deviation: the same.
        sun: the lamp that is the sun, with its deviations; None if no sun shows.

    Example:
        >>> found: ei.SunAndSky = ei.sun_and_sky(np.ones((16, 32, 3)))
        >>> found.reason
        'not outdoors: uniform light fits better than a sky'
    """

    is_outdoors: bool
    reason: str
    turbidity: float
    sun_direction: Array
    sun_irradiance: Array
    sky_scale: float
    sun_scale: float
    misfit: float
    turbidity_deviation: float | None = None
    sky_scale_deviation: float | None = None
    sun: Lamp | None = None

    def emitter(self) -> dict[str, Any]:
        """Mitsuba's description of the emitter, in axes with +y up, for `mitsuba.load_dict`."""
        return emitter(self.sun_direction, self.turbidity, self.sky_scale, self.sun_scale)

    def as_dict(self) -> dict[str, Any]:
        """The entries of a JSON file; see docs/lights.md."""
        sun = None if self.sun is None else self.sun.as_dict()
        known = {} if sun is None else sun
        return {
            "outdoors": self.is_outdoors,
            "reason": self.reason,
            "turbidity": self.turbidity,
            "turbidity_deviation": self.turbidity_deviation,
            "albedo": ALBEDO,
            "sky_scale": self.sky_scale,
            "sky_scale_deviation": self.sky_scale_deviation,
            "sun_direction": self.sun_direction.tolist(),
            "sun_direction_deviation": known.get("direction_deviation"),
            "sun_irradiance": self.sun_irradiance.tolist(),
            "sun_irradiance_deviation": known.get("irradiance_deviation"),
            "sun_scale": self.sun_scale,
            "misfit": self.misfit,
        }

    def __repr__(self) -> str:
        """One line."""
        return (
            f"<SunAndSky, turbidity {self.turbidity:.1f}, misfit {self.misfit:.2f}: {self.reason}>"
        )


@exclusive
def sun_and_sky(light: Light | Recovered | ArrayLike) -> SunAndSky:
    """Fit the turbidity, the sun and the brightness of Mitsuba's `sunsky` to a map.

    The sun is the brightest lamp above the horizon (see `find_lamps`) that is less than 35 degrees
    wide, or if there is none the direction in which the sky fits best. The turbidity (Hosek and
    Wilkie 2012) minimizes the misfit of log radiance in the upper half. A map is taken for outdoors
    if the misfit is below 0.6 and below that of a uniform sky, and the sky is bluer than red.

    Args:
        light: an estimate, or texels (H, W, 3), for which no deviations are known.

    Raises:
        InputError: if texels cannot be a map.
        BackendError: if no Mitsuba variant works here.

    Example:
        >>> ei.sun_and_sky(np.ones((16, 32, 3))).is_outdoors
        False
    """
    known = Light.of(light)
    select_variant()
    sky = _Sky(resample(known.texels, *GRID))
    sun = next((lamp for lamp in find_lamps(known).lamps if _can_be_sun(lamp)), None)
    direction = sky.best_direction() if sun is None else sun.direction
    misfits, scales = sky.misfits(direction)
    turbidity, best = _lowest(misfits)
    scale = float(np.interp(turbidity, TURBIDITIES, scales))
    irradiance = np.zeros(3) if sun is None else sun.irradiance
    luminance = float(sun_irradiance(direction, turbidity) @ np.asarray(LUMINANCE))
    deviations = _deviations(known, direction)
    is_outdoors, reason = sky.verdict(best)
    return SunAndSky(
        is_outdoors=is_outdoors,
        reason=reason,
        turbidity=turbidity,
        sun_direction=direction,
        sun_irradiance=irradiance,
        sky_scale=scale,
        sun_scale=float(irradiance @ np.asarray(LUMINANCE)) / max(luminance, 1e-30),
        misfit=best,
        turbidity_deviation=deviations[0],
        sky_scale_deviation=deviations[1],
        sun=sun,
    )


def _can_be_sun(lamp: Lamp) -> bool:
    return bool(lamp.direction[1] > HORIZON and lamp.angular_diameter < SUN_BLUR)


class _Sky:
    """The upper half of a map, to compare with the model."""

    def __init__(self, texels: Array) -> None:
        self.directions = texel_directions(*GRID).reshape(-1, 3)
        self.is_up = self.directions[:, 1] > HORIZON
        weights = texel_solid_angles(*GRID).ravel() * self.is_up
        self.weights = weights / weights.sum()
        floor = 1e-4 * max(float(texels.mean()), 1e-30)
        self.logs = np.log(np.maximum(texels.reshape(-1, 3), floor))

    def misfits(self, sun: Array, turbidities: Array = TURBIDITIES) -> tuple[Array, Array]:
        """Root mean square differences, and factors on the model's sky, by turbidity."""
        weights = self.weights * (self.directions @ sun < AROUND_SUN)
        weights = weights[self.is_up] / weights.sum()
        found, scales = [], []
        for turbidity in turbidities:
            model = radiance(self.directions[self.is_up], sun, float(turbidity))
            difference = self.logs[self.is_up] - np.log(np.maximum(model, 1e-12))
            mean = float(weights @ difference.mean(axis=1))
            found.append(float(np.sqrt(weights @ ((difference - mean) ** 2).mean(axis=1))))
            scales.append(float(np.exp(mean)))
        return np.array(found), np.array(scales)

    def best_direction(self) -> Array:
        """The direction of the sun from which a sky of turbidity 3 looks most like the map."""
        candidates = texel_directions(13, 24).reshape(-1, 3)
        candidates = candidates[candidates[:, 1] > HORIZON]
        misfits = [self.misfits(each, np.array([3.0]))[0][0] for each in candidates]
        return np.asarray(candidates[int(np.argmin(misfits))])

    def verdict(self, misfit: float) -> tuple[bool, str]:
        """Whether this is a sky, and why."""
        even = self.logs - self.weights @ self.logs.mean(axis=1)
        uniform = float(np.sqrt(self.weights @ (even**2).mean(axis=1)))
        blue = float(self.weights @ (self.logs[:, 2] - self.logs[:, 0]))
        if misfit > MAX_MISFIT:
            return False, f"not outdoors: the sky fits to a factor of {np.exp(misfit):.2f} only"
        if misfit > uniform:
            return False, "not outdoors: uniform light fits better than a sky"
        if blue <= 0:
            return False, "not outdoors: the light from above is redder than white"
        return True, f"outdoors: the sky fits to a factor of {np.exp(misfit):.2f}"


def _deviations(light: Light, sun: Array) -> tuple[float | None, float | None]:
    """Standard deviations of the turbidity and of the sky's scale, among the samples."""
    if light.samples is None:
        return None, None
    found = []
    for sample in light.samples:
        misfits, scales = _Sky(resample(sample, *GRID)).misfits(sun, TURBIDITIES[::2])
        turbidity, _ = _lowest(misfits, TURBIDITIES[::2])
        found.append((turbidity, float(np.interp(turbidity, TURBIDITIES[::2], scales))))
    turbidity, scale = np.std(found, axis=0, ddof=1)
    return float(turbidity), float(scale)


def _lowest(values: Array, places: Array = TURBIDITIES) -> tuple[float, float]:
    """Place and value of the minimum of a parabola through the least value and its neighbours."""
    middle = int(np.argmin(values))
    if not 0 < middle < len(values) - 1:
        return float(places[middle]), float(values[middle])
    before, least, after = values[middle - 1 : middle + 2]
    curvature = before - 2 * least + after
    step = (before - after) / (2 * curvature) if curvature > 0 else 0.0
    place = places[middle] + step * (places[1] - places[0])
    return float(place), float(least - (before - after) * step / 4)
