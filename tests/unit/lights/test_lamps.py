from __future__ import annotations

import math

import numpy as np
import pytest

import envmap_inverse as ei
from envmap_inverse.lights.light import Light
from envmap_inverse.sphere.latlong import angle_between, texel_directions, texel_solid_angles

HEIGHT, WIDTH = 65, 128


def disc(direction: tuple[float, float, float], degrees: float, radiance: float) -> np.ndarray:
    """A disc of that diameter before a dark sky of radiance 0.1."""
    texels = np.full((HEIGHT, WIDTH, 3), 0.1, np.float32)
    away = np.degrees(angle_between(texel_directions(HEIGHT, WIDTH), direction))
    texels[away < degrees / 2] += radiance
    return texels


def test_a_disc_has_its_direction_size_and_irradiance() -> None:
    direction = np.array([0.6, 0.64, -0.48])
    texels = disc(tuple(direction), 20, 50)
    (lamp,) = ei.find_lamps(texels).lamps
    assert np.degrees(angle_between(lamp.direction, direction)) < 0.5
    assert lamp.kind == "area"
    assert math.degrees(lamp.angular_diameter) == pytest.approx(20, abs=1)
    assert lamp.radiance == pytest.approx([50] * 3, rel=0.03)
    # pi sin^2 of the radius times the radiance, but for the texels' steps
    assert lamp.irradiance == pytest.approx(50 * np.pi * math.sin(math.radians(10)) ** 2, rel=0.1)


def test_the_lamps_and_the_rest_are_the_map() -> None:
    texels = disc((0, 0.6, 0.8), 10, 20)
    lamps = ei.find_lamps(texels)
    assert lamps.residual == pytest.approx(0.1, abs=1e-5)
    assert (lamps.without([]) == texels).all()
    assert (lamps.without([0]) == lamps.residual).all()
    weights = texel_solid_angles(HEIGHT, WIDTH)[:, :, None]
    taken = np.sum(weights * (texels - lamps.residual), axis=(0, 1))
    lamp = lamps.lamps[0]
    assert lamp.radiance * lamp.solid_angle == pytest.approx(taken, rel=1e-5)


def test_two_lamps_side_by_side_are_two() -> None:
    texels = np.maximum(disc((0, 0.6, 0.8), 8, 20), disc((0.2, 0.6, 0.77), 8, 10))
    assert [lamp.kind for lamp in ei.find_lamps(texels).lamps] == ["area", "area"]


def test_a_blurred_lamp_keeps_its_light() -> None:
    """As a rough object shows it: 13 times the mean at its peak, so that its edge is a quarter."""
    direction, width = (0.6, 0.64, -0.48), math.radians(8)
    away = angle_between(texel_directions(HEIGHT, WIDTH), direction)
    blurred = (0.1 + 4 * np.exp(-((away / width) ** 2) / 2)).astype(np.float32)
    blurred = np.repeat(blurred[:, :, None], 3, axis=2)
    (lamp,) = ei.find_lamps(blurred).lamps
    # of a Gaussian; a surface that faces it sees its sides at an angle
    whole = 4 * 2 * np.pi * width**2
    assert lamp.irradiance == pytest.approx([whole] * 3, rel=0.1)


def test_a_window_does_not_reach_into_its_glow() -> None:
    direction = (0.6, 0.64, -0.48)
    window = disc(direction, 50, 3)
    assert np.median(window) == pytest.approx(0.1)
    glow = disc(direction, 70, 0.4) - np.float32(0.1)
    regions = ei.find_lamps(window + glow).regions
    away = np.degrees(angle_between(texel_directions(HEIGHT, WIDTH), direction))
    assert (regions[away > 26] == 0).all()


def test_a_small_lamp_is_directional() -> None:
    texels = np.full((HEIGHT, WIDTH, 3), 0.1, np.float32)
    texels[20, 7] = 1000
    (lamp,) = ei.find_lamps(texels).lamps
    assert lamp.kind == "directional"
    assert np.degrees(angle_between(lamp.direction, texel_directions(HEIGHT, WIDTH)[20, 7])) < 1e-3


def test_uniform_light_has_no_lamp() -> None:
    lamps = ei.find_lamps(np.ones((8, 16, 3)))
    assert (len(lamps), repr(lamps)) == (0, "<0 lamps with 0% of the light>")


def test_a_black_map_has_no_lamp() -> None:
    assert len(ei.find_lamps(np.zeros((8, 16, 3)))) == 0


def test_a_bare_map_has_no_deviation() -> None:
    entries = ei.find_lamps(disc((0, 0.6, 0.8), 10, 20)).as_dict()["lamps"][0]
    assert entries["irradiance_deviation"] is None
    assert entries["direction_deviation"] is None


def test_deviations_follow_the_samples(rng: np.random.Generator) -> None:
    texels = disc((0, 0.6, 0.8), 10, 20)
    lit = texels - 0.1
    levels = rng.normal(1, 0.1, (64, 1, 1, 1))
    across = rng.normal(0, 0.4, (64, 1, 1))
    sideways = texel_directions(HEIGHT, WIDTH)[:, :, 0] * 10
    tilt = 1 + across * sideways
    samples = (0.1 + lit * levels * tilt[..., None]).astype(np.float32)
    (lamp,) = ei.find_lamps(Light(texels=texels, samples=samples)).lamps
    spread = float(np.std(levels, ddof=1))
    assert lamp.irradiance_deviation == pytest.approx(spread * lamp.irradiance, rel=0.1)
    directions = np.array([ei.find_lamps(each).lamps[0].direction for each in samples])
    moved = np.std(directions[:, 0], ddof=1)
    assert lamp.direction_deviation is not None
    assert moved < lamp.direction_deviation[0] < 1.3 * moved  # adds the place within texels
    assert lamp.direction_deviation[1] < 0.8 * moved


def test_detail_that_samples_share_adds_to_the_deviation() -> None:
    texels = disc((0, 0.6, 0.8), 10, 20)
    samples = np.repeat(texels[None], 16, axis=0)
    light = Light(texels=texels, samples=samples, deviation=0.3 * texels)
    (lamp,) = ei.find_lamps(light).lamps
    region = ei.find_lamps(light).regions == 1
    weights = texel_solid_angles(HEIGHT, WIDTH)[region]
    expected = np.sqrt(np.sum((weights * 0.3 * texels[region, 0]) ** 2))
    assert lamp.irradiance_deviation == pytest.approx([expected] * 3, rel=1e-3)
