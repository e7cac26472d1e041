"""Maps of a sun, a sky and the ground, by turbidity, the sun's place, and brightness of each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from envmap_inverse.light_models.family import Array, Spot, Tangents
from envmap_inverse.light_models.sky import radiance, sun_irradiance
from envmap_inverse.sphere.latlong import (
    blur,
    texel_directions,
    texel_solid_angles,
)
from envmap_inverse.sphere.lights import LUMINANCE

__all__ = ["Days"]

MEANS = 0.3, 0.4, 0.4
DEVIATIONS = 0.5, 1.0, 0.6
"""Of the mean radiance of sky and sun over the sphere, and of the ground's."""

COLOUR = 0.1
"""Deviation of the colours of sky and sun from the model's, as a share: white balance, haze."""

HAZE, SPREAD = 4.0, 3.0
"""Turbidity that is expected, and its standard deviation."""

STEP = 0.1
"""Of the turbidity, for derivatives."""

KEPT = 16
"""Skies that are kept, as most are asked for again."""

FARTHEST = math.tan(math.radians(89) / 2)
"""Length of the sun's coordinates: it stands at least a degree above the horizon."""

GLARE = math.radians(5)
"""Blur with which the brightest place of a map is looked for."""

TURBIDITY, SUN = 0, slice(1, 3)
SKY_LIGHT, SUN_LIGHT, GROUND = slice(3, 6), slice(6, 9), slice(9, 12)
"""The numbers: turbidity; x and z of the sun, projected from the nadir on the horizontal plane; and
R, G, B of sky, sun and ground."""


class Days:
    """Mitsuba's sun and sky over ground that is the same everywhere: a `Family`.

    R, G, B of sky and sun are factors on the model's colours, so that equal ones are the model's.
    """

    def __init__(self, resolution: tuple[int, int]) -> None:
        """Prepare maps of (width, height) texels."""
        width, height = self._resolution = resolution
        self._directions = texel_directions(height, width).reshape(-1, 3)
        self._solid_angles = texel_solid_angles(height, width).ravel()
        self._is_up = self._directions[:, 1] > 1e-6
        self._skies: dict[tuple[float, ...], Array] = {}
        self.mean = np.concatenate([[HAZE], [0, 0], np.repeat(MEANS, 3)])
        covariance = np.eye(len(self.mean))
        covariance[TURBIDITY, TURBIDITY] = SPREAD**2
        for part, mean, deviation in zip(
            (SKY_LIGHT, SUN_LIGHT, GROUND), MEANS, DEVIATIONS, strict=True
        ):
            own = deviation if part is GROUND else COLOUR * mean
            shared = 0.0 if part is GROUND else deviation
            covariance[part, part] = own**2 * np.eye(3) + shared**2
        self.precision = np.asarray(np.linalg.inv(covariance), np.float64)
        self.low = np.concatenate([[1.0], [-1.0] * 2, np.zeros(9)])
        self.high = np.concatenate([[10.0], [1.0] * 2, np.full(9, np.inf)])
        self.is_shape = np.arange(len(self.mean)) < SKY_LIGHT.start

    def parts(self, numbers: Array) -> tuple[Array, Spot]:
        """See `Family`: sky and ground, and the sun."""
        place = _place(numbers)
        light = self._sky(numbers[TURBIDITY], place) * numbers[SKY_LIGHT]
        light += self._ground() * numbers[GROUND]
        sun = _colour_of_sun(numbers[TURBIDITY], place) * numbers[SUN_LIGHT]
        return light, Spot(place=place, light=sun, draw=self._sun)

    def _sun(self, place: Array) -> Array:
        """A Gaussian that is a texel wide, of mean radiance 1."""
        sharpness = ((self._resolution[1] - 1) / math.pi) ** 2
        spot = np.exp(sharpness * (self._directions @ place - 1))
        return np.asarray(4 * np.pi / (self._solid_angles @ spot) * spot)

    def tangents(self, numbers: Array) -> Tangents:
        """See `Family`; those by turbidity and place are difference quotients.

        Maps are the ground; the sky as it is, and at both ends of a step of the turbidity and of
        the sun's two coordinates; then the sun in the same way.
        """
        place, step = _place(numbers), self._step(numbers)
        haze = float(numbers[TURBIDITY])
        ends = min(haze + STEP, self.high[TURBIDITY]), max(haze - STEP, self.low[TURBIDITY])
        moves = [
            _place_at(numbers[SUN] + sign * step * axis) for axis in np.eye(2) for sign in (1, -1)
        ]
        states = [(haze, place), *((end, place) for end in ends), *((haze, each) for each in moves)]
        mixes = [np.zeros((1, len(numbers), 3))]
        mixes[0][0, GROUND] = np.eye(3)
        for part in (SKY_LIGHT, SUN_LIGHT):
            mix = np.zeros((len(states), len(numbers), 3))
            mix[0, part] = np.eye(3)
            for sign, of_haze, of_moves in ((1, 1, (3, 5)), (-1, 2, (4, 6))):
                mix[of_haze, TURBIDITY] = sign * numbers[part] / (ends[0] - ends[1])
                for number, axis in zip(of_moves, np.eye(2), strict=True):
                    mix[number, SUN] = sign * axis[:, None] / (2 * step) * numbers[part]
            mixes.append(mix)
        return Tangents(
            maps=np.stack([self._ground(), *(self._sky(*state) for state in states)]),
            mix=np.concatenate(mixes),
            spots=tuple(
                Spot(place=p, light=_colour_of_sun(h, p), draw=self._sun) for h, p in states
            ),
        )

    def starts(self, guess: Array) -> list[Array]:
        """See `Family`: the sun where a map is brightest, or where most of its light is from."""
        width, height = self._resolution
        luminance = np.maximum(guess @ np.asarray(LUMINANCE), 0) * self._is_up
        light = luminance * self._solid_angles
        glare = blur(luminance.reshape(height, width, 1).repeat(3, axis=2), GLARE)[:, :, 0]
        peak = self._directions[int(np.argmax(glare.ravel() * self._is_up))]
        near = light * (self._directions @ peak > math.cos(2 * GLARE))
        found = []
        for weights in (near * luminance, light):
            place = weights @ self._directions
            length = float(np.linalg.norm(place))
            start = self.mean.copy()
            start[SUN] = _coordinates(place / length) if length > 0 else 0
            found.append(start)
        return found

    def described(self, numbers: Array, covariance: Array, unit: float) -> dict[str, Any]:
        """See `Family`: the entries of `export --to sunsky`, with deviations to first order."""
        values = self._physical(numbers, unit)
        slopes = np.stack(
            [self._physical_slope(numbers, unit, number) for number in range(len(numbers))], axis=1
        )
        deviations = np.sqrt(np.maximum(np.diag(slopes @ covariance @ slopes.T), 0))
        sun = _place(numbers)
        # The projection keeps angles: a step of the coordinates is a turn by so many radians.
        scale = 2 / (1 + float(numbers[SUN] @ numbers[SUN]))
        turns = scale**2 * np.linalg.eigvalsh(covariance[SUN, SUN])[::-1]
        return {
            "turbidity": values[0],
            "turbidity_deviation": deviations[0],
            "sun_direction": sun.tolist(),
            "sun_direction_deviation": np.sqrt(np.maximum(turns, 0)).tolist(),
            "sky_scale": values[1],
            "sky_scale_deviation": deviations[1],
            "sun_scale": values[2],
            "sun_scale_deviation": deviations[2],
            "sun_irradiance": values[3:6].tolist(),
            "sun_irradiance_deviation": deviations[3:6].tolist(),
            "albedo": values[6:].tolist(),
            "albedo_deviation": deviations[6:].tolist(),
        }

    def _sky(self, turbidity: float, sun: Array) -> Array:
        """A map of the sky with mean radiance 1, shape (H * W, 3)."""
        key = (float(turbidity), *sun.tolist())
        if key not in self._skies:
            self._skies = dict(list(self._skies.items())[-KEPT:])
            self._skies[key] = self._new_sky(turbidity, sun)
        return self._skies[key]

    def _new_sky(self, turbidity: float, sun: Array) -> Array:
        sky = radiance(self._directions, sun, float(turbidity)) * self._is_up[:, None]
        return np.asarray(sky / self._mean(sky))

    def _ground(self) -> Array:
        """A map of the ground with radiance 1."""
        return np.repeat(~self._is_up[:, None], 3, axis=1).astype(float)

    def _step(self, numbers: Array) -> float:
        """Change of the sun's coordinates that moves it by half a texel."""
        turn = math.pi / (2 * (self._resolution[1] - 1))
        return turn * (1 + float(numbers[SUN] @ numbers[SUN])) / 2

    def _mean(self, texels: Array) -> float:
        """Mean luminance over the sphere."""
        luminance = texels @ np.asarray(LUMINANCE)
        return max(float(self._solid_angles @ luminance) / (4 * np.pi), 1e-30)

    def _physical(self, numbers: Array, unit: float) -> Array:
        """Turbidity, scales of sky and sun, the sun's irradiance, and the ground's albedo."""
        sun, turbidity, grey = _place(numbers), float(numbers[TURBIDITY]), np.asarray(LUMINANCE)
        sky = radiance(self._directions, sun, turbidity) * self._is_up[:, None]
        of_model = sun_irradiance(sun, turbidity)
        colour = _colour_of_sun(turbidity, sun)
        irradiance = 4 * np.pi * unit * numbers[SUN_LIGHT] * colour
        scale = unit * numbers[SKY_LIGHT] / self._mean(sky)
        falls = np.maximum(self._directions[:, 1], 0) * self._solid_angles
        on_ground = scale * (falls @ sky) + sun[1] * irradiance
        albedo = np.pi * unit * numbers[GROUND] / np.maximum(on_ground, 1e-30)
        scales = [scale @ grey, (irradiance @ grey) / max(float(of_model @ grey), 1e-30)]
        return np.concatenate([[turbidity], scales, irradiance, albedo])

    def _physical_slope(self, numbers: Array, unit: float, number: int) -> Array:
        step = np.zeros(len(numbers))
        step[number] = 1e-2 * max(abs(numbers[number]), 1e-2)
        ahead, behind = (
            np.clip(each, self.low, self.high) for each in (numbers + step, numbers - step)
        )
        change = self._physical(ahead, unit) - self._physical(behind, unit)
        return np.asarray(change / max(float(ahead[number] - behind[number]), 1e-30))


def _colour_of_sun(turbidity: float, sun: Array) -> Array:
    """Red, green and blue of the model's sun, of luminance 1."""
    light = sun_irradiance(sun, turbidity)
    return np.asarray(light / max(float(light @ np.asarray(LUMINANCE)), 1e-30))


def _place(numbers: Array) -> Array:
    """Unit vector towards the sun."""
    return _place_at(numbers[SUN])


def _place_at(coordinates: Array) -> Array:
    """Unit vector by stereographic coordinates, or the nearest one that is above the horizon."""
    squares = float(coordinates @ coordinates)
    if squares > FARTHEST**2:
        coordinates = coordinates * (FARTHEST / math.sqrt(squares))
        squares = FARTHEST**2
    x, z = 2 * coordinates / (1 + squares)
    return np.array([x, (1 - squares) / (1 + squares), z])


def _coordinates(place: Array) -> Array:
    """The inverse; of a place below the horizon that of the nearest one above it."""
    found = place[[0, 2]] / (1 + max(float(place[1]), -0.99))
    return np.asarray(found * min(1, FARTHEST / max(float(np.linalg.norm(found)), 1e-30)))
