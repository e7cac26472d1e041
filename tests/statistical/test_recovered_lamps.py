"""Lamps and harmonics of recovered maps, against those of the true ones."""

from __future__ import annotations

import numpy as np
import pytest

import envmap_inverse as ei
from envmap_inverse.bundled import bundled_scene, map_file
from envmap_inverse.sphere.latlong import angle_between

pytestmark = pytest.mark.slow

Pair = tuple[ei.Estimate, np.ndarray]


@pytest.fixture(scope="module", params=["mirror", "rough"])
def under_the_sun(request: pytest.FixtureRequest) -> Pair:
    return recovered(request.param, "sun")


@pytest.fixture(scope="module")
def in_the_museum() -> Pair:
    return recovered("mirror", "museum")


@pytest.fixture(scope="module")
def in_the_museum_rough() -> Pair:
    return recovered("rough", "museum")


def recovered(material: str, name: str) -> Pair:
    scene = bundled_scene("ball", material)
    scene.set_film_size(128, 0)
    truth = ei.read_image(map_file(name))
    scene.set_envmap(truth)
    return ei.estimate(scene, ei.render(scene, spp=256, seed=5)), truth


def check(found: ei.Lamp, true: ei.Lamp) -> None:
    """Within 1 degree and 10 %, and within 2.5 deviations of each."""
    off = found.direction - true.direction
    degrees = np.degrees(angle_between(found.direction, true.direction))
    assert degrees < 1
    assert found.irradiance == pytest.approx(true.irradiance, rel=0.1)
    assert found.direction_covariance is not None
    assert found.irradiance_deviation is not None
    variance = off @ found.direction_covariance @ off / (off @ off)
    assert np.linalg.norm(off) < 2.5 * np.sqrt(variance)
    assert (np.abs(found.irradiance - true.irradiance) < 2.5 * found.irradiance_deviation).all()


def test_the_sun_is_where_and_as_bright_as_it_is(under_the_sun: Pair) -> None:
    result, truth = under_the_sun
    check(ei.find_lamps(result).lamps[0], ei.find_lamps(truth).lamps[0])


def test_the_lamps_of_a_room_are_found_in_a_mirror(in_the_museum: Pair) -> None:
    result, truth = in_the_museum
    found, true = ei.find_lamps(result).lamps, ei.find_lamps(truth).lamps
    for lamp in true[:3]:
        check(max(found, key=lambda each: each.direction @ lamp.direction), lamp)


def test_the_lamp_of_a_room_is_found_in_a_rough_ball(in_the_museum_rough: Pair) -> None:
    result, truth = in_the_museum_rough
    check(ei.find_lamps(result).lamps[0], ei.find_lamps(truth).lamps[0])


def test_harmonics_lie_within_their_intervals(under_the_sun: Pair) -> None:
    result, truth = under_the_sun
    found, true = (ei.spherical_harmonics(light, 4) for light in (result, truth))
    assert found.deviation is not None
    away = np.abs(found.coefficients - true.coefficients) / found.deviation
    assert (away < 1.645).mean() > 0.8  # 90 % intervals; the 75 errors are not independent


def test_the_sky_of_a_recovered_map_is_outdoors(under_the_sun: Pair) -> None:
    result, _ = under_the_sun
    assert ei.sun_and_sky(result).is_outdoors
