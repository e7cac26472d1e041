"""Draw the lamps of a map with their ellipses of error, and the irradiance by normal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.images import shrink, tonemap
from envmap_inverse.lights.harmonics import spherical_harmonics
from envmap_inverse.lights.lamps import Lamp, find_lamps
from envmap_inverse.lights.light import Light
from envmap_inverse.report.matching import lamp_labels, light_numbers
from envmap_inverse.report.pictures import jpeg
from envmap_inverse.run.light import read_light
from envmap_inverse.sphere.latlong import (
    direction_to_uv,
    resample,
    texel_directions,
    texel_solid_angles,
)
from envmap_inverse.sphere.lights import Lights, find_lights

__all__ = ["LampMark", "LampsPane", "lamps_pane"]

MAX_TEXELS = 2**17
"""Larger maps are shrunk, and have no ellipses."""

WIDTH, HEIGHT = 640, 320
"""Size of the drawing, in its own units."""

NUM_POINTS = 36
SIGMAS = 2

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LampMark:
    """A lamp on the map; points are those of an SVG polygon.

    Attributes:
        label: number of the light that it is, or is part of.
        place: x and y of the lamp.
        disc: a disc of its solid angle.
        ellipse: two standard deviations of its direction; None if they are not known.
        degrees: standard deviations along both axes of the ellipse, or None.
        irradiance: of a surface that faces the lamp, the mean of red, green and blue.
        deviation: of that; None if it is not known.
        share: of the map's luminance.
    """

    label: str
    place: tuple[float, float]
    disc: str
    ellipse: str | None
    degrees: tuple[float, float] | None
    irradiance: float
    deviation: float | None
    share: float


@dataclass(frozen=True, kw_only=True)
class LampsPane:
    """A map with marks on its lamps.

    Attributes:
        caption: name of the map.
        picture: data URI of the map.
        irradiance: data URI of the irradiance over pi by normal, from harmonics of order 2.
        marks: the lamps, by their labels.
    """

    caption: str
    picture: str
    irradiance: str
    marks: list[LampMark]


def lamps_pane(
    caption: str,
    texels: NDArray[np.float32],
    folder: Path | None,
    exposure: float,
    truth: NDArray[np.float32] | None = None,
) -> LampsPane:
    """Draw the lamps of a map.

    Args:
        caption: name of the map.
        texels: shape (H, W, 3).
        folder: of the run, whose samples give the ellipses; None if there is none.
        exposure: factor on radiance before it is shown.
        truth: the true map, whose lights give the numbers; None if it is not known.
    """
    light = _light(texels, folder)
    lamps = find_lamps(light).lamps
    lights = _lights(texels)
    numbers = light_numbers(lights.directions, None if truth is None else _lights(truth).directions)
    labels = lamp_labels(_directions(lamps), lights, numbers)
    marks = [_mark(lamp, label) for lamp, label in zip(lamps, labels, strict=True)]
    harmonics = spherical_harmonics(light.texels, 2)
    normals = harmonics.irradiance(texel_directions(64, 128)) / np.pi
    return LampsPane(
        caption=caption,
        picture=jpeg(tonemap(shrink(light.texels, MAX_TEXELS), exposure)),
        irradiance=jpeg(tonemap(np.maximum(normals, 0).astype(np.float32), exposure)),
        marks=sorted(marks, key=lambda mark: (len(mark.label.rstrip(ascii_lowercase)), mark.label)),
    )


def _light(texels: NDArray[np.float32], folder: Path | None) -> Light:
    height, width, _ = texels.shape
    if height * width > MAX_TEXELS:
        scale = (MAX_TEXELS / (height * width)) ** 0.5
        small = resample(texels, int(height * scale), int(width * scale))
        return Light(texels=small.astype(np.float32))
    return Light(texels=texels) if folder is None else read_light(folder)


def _lights(texels: NDArray[np.float32]) -> Lights:
    return find_lights(texels, texel_solid_angles(*texels.shape[:2]))


def _directions(lamps: Sequence[Lamp]) -> Array:
    return np.array([lamp.direction for lamp in lamps]).reshape(-1, 3)


def _mark(lamp: Lamp, label: str) -> LampMark:
    across = np.linalg.svd(lamp.direction[None])[2][1:]
    ellipse = degrees = None
    if lamp.direction_covariance is not None:
        variances, axes = np.linalg.eigh(lamp.direction_covariance)
        deviations = np.sqrt(np.maximum(variances[1:], 0))
        ellipse = _outline(lamp.direction, SIGMAS * deviations[:, None] * axes.T[1:])
        degrees = (float(np.degrees(deviations[1])), float(np.degrees(deviations[0])))
    known = lamp.irradiance_deviation
    x, y = _places(lamp.direction[None])[0]
    return LampMark(
        label=label,
        place=(float(x), float(y)),
        disc=_outline(lamp.direction, np.tan(lamp.angular_diameter / 2) * across),
        ellipse=ellipse,
        degrees=degrees,
        irradiance=float(lamp.irradiance.mean()),
        deviation=None if known is None else float(known.mean()),
        share=lamp.share,
    )


def _outline(direction: Array, axes: Array) -> str:
    """Points of an ellipse around a direction; may go beyond the edge of the map, not across."""
    turn = np.linspace(0, 2 * np.pi, NUM_POINTS, endpoint=False)
    around = direction + np.cos(turn)[:, None] * axes[0] + np.sin(turn)[:, None] * axes[1]
    places, middle = _places(around), _places(direction[None])[0, 0]
    places[:, 0] += WIDTH * np.rint((middle - places[:, 0]) / WIDTH)
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _places(directions: Array) -> Array:
    u, v = direction_to_uv(directions)
    return np.stack([u * WIDTH, v * HEIGHT], axis=-1)
