from __future__ import annotations

import numpy as np
import pytest

import envmap_inverse as ei
from envmap_inverse import backend
from envmap_inverse.backend import mi
from envmap_inverse.bundled import map_file
from envmap_inverse.light_models.sky import radiance, sun_irradiance
from envmap_inverse.lights.light import Light
from envmap_inverse.sphere.latlong import angle_between, texel_directions, texel_solid_angles

SUN = np.array([0.48, 0.6, -0.64])
TURBIDITY = 4.0


@pytest.fixture(scope="module")
def sky() -> np.ndarray:
    """Mitsuba's sky over grey ground, with the sun in one texel."""
    backend.select_variant()
    directions = texel_directions(65, 128)
    texels = radiance(directions.reshape(-1, 3), SUN, TURBIDITY).reshape(65, 128, 3)
    texels[directions[:, :, 1] < 0] = 0.02
    nearest = np.unravel_index(np.argmax(directions @ SUN), (65, 128))
    texels[nearest] += sun_irradiance(SUN, TURBIDITY) / texel_solid_angles(65, 128)[nearest]
    return texels


def test_a_sky_is_found_again(sky: np.ndarray) -> None:
    found = ei.sun_and_sky(3 * sky)
    assert found.is_outdoors
    assert found.misfit < 0.05
    assert found.turbidity == pytest.approx(TURBIDITY, abs=0.3)
    assert found.sky_scale == pytest.approx(3, rel=0.03)
    assert found.sun_scale == pytest.approx(3, rel=0.1)
    assert np.degrees(angle_between(found.sun_direction, SUN)) < 2  # half a texel


def test_its_emitter_has_the_sun_there(sky: np.ndarray) -> None:
    found = ei.sun_and_sky(sky)
    emitter = mi.load_dict(found.emitter())
    point = mi.SurfaceInteraction3f()
    point.wi = -mi.Vector3f([float(part) for part in found.sun_direction])
    assert np.array(emitter.eval(point)).mean() > 1000 * sky.mean()


def test_a_sky_without_a_sun_has_its_direction_from_the_sky(sky: np.ndarray) -> None:
    covered = np.minimum(sky, np.quantile(sky, 0.999))
    found = ei.sun_and_sky(covered)
    assert found.sun is None
    assert found.sun_scale == 0
    assert np.degrees(angle_between(found.sun_direction, SUN)) < 15  # that of the grid


def test_deviations_follow_the_samples(sky: np.ndarray) -> None:
    levels = np.random.default_rng(1).normal(1, 0.1, (32, 1, 1, 1))
    light = Light(texels=sky.astype(np.float32), samples=(levels * sky).astype(np.float32))
    entries = ei.sun_and_sky(light).as_dict()
    spread = float(np.std(levels, ddof=1))
    assert entries["sky_scale_deviation"] == pytest.approx(spread, rel=0.05)
    assert entries["turbidity_deviation"] == pytest.approx(0, abs=1e-3)
    assert entries["sun_irradiance_deviation"] == pytest.approx(
        spread * np.array(entries["sun_irradiance"]), rel=0.05
    )


@pytest.mark.parametrize(("name", "is_outdoors"), [("sun", True), ("museum", False)])
def test_bundled_maps_are_told_apart(name: str, is_outdoors: bool) -> None:
    found = ei.sun_and_sky(ei.read_image(map_file(name)))
    assert found.is_outdoors == is_outdoors
    assert found.reason.startswith("outdoors" if is_outdoors else "not outdoors")


@pytest.mark.parametrize("name", ["lamps", "windows"])
def test_rooms_are_not_outdoors(name: str) -> None:
    assert not ei.sun_and_sky(ei.read_image(map_file(name))).is_outdoors
