"""A lamp, sky and ground are found from the pixels of a diffuse ball."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from envmap_inverse.sphere.lambert import fit_lamp
from envmap_inverse.sphere.latlong import texel_directions, texel_solid_angles

COLOUR = np.array([1.0, 0.8, 0.5])


def seen_normals(rng: np.random.Generator) -> NDArray[np.float64]:
    """Those that a camera at +z sees."""
    normals = rng.normal(size=(3000, 3))
    normals[:, 2] = abs(normals[:, 2])
    return np.asarray(normals / np.linalg.norm(normals, axis=1, keepdims=True))


@pytest.mark.parametrize("direction", [(0, 0, 1), (0.6, 0.64, 0.48), (0.8, 0.36, -0.48)])
@pytest.mark.parametrize("even", [0.0, 0.3])
def test_the_lamp_is_where_it_is_within_a_degree(
    direction: tuple[float, float, float], even: float, rng: np.random.Generator
) -> None:
    normals = seen_normals(rng)
    cosines = np.maximum(normals @ direction, 0)[:, None]
    values = even + 2 * COLOUR * cosines + rng.normal(0, 0.01, (len(normals), 3))
    lamp = fit_lamp(normals, values)
    assert np.degrees(np.arccos(min(lamp.direction @ direction, 1))) < 1
    np.testing.assert_allclose(lamp.sky, even, atol=0.01)
    np.testing.assert_array_equal(lamp.sky, lamp.ground)
    np.testing.assert_allclose(lamp.facing, 2 * COLOUR, rtol=0.02)
    assert lamp.unexplained < 0.01


@pytest.mark.parametrize("direction", [(0.6, 0.64, 0.48), (0.8, 0.36, -0.48)])
def test_a_sky_that_is_brighter_than_the_ground_does_not_lift_the_lamp(
    direction: tuple[float, float, float], rng: np.random.Generator
) -> None:
    normals = seen_normals(rng)
    up, cosines = normals[:, 1:2], np.maximum(normals @ direction, 0)[:, None]
    values = 0.8 * (1 + up) / 2 + 0.2 * (1 - up) / 2 + COLOUR * cosines
    lamp = fit_lamp(normals, values + rng.normal(0, 0.01, (len(normals), 3)))
    assert np.degrees(np.arccos(min(lamp.direction @ direction, 1))) < 2
    np.testing.assert_allclose(lamp.sky, 0.8, atol=0.05)
    np.testing.assert_allclose(lamp.ground, 0.2, atol=0.05)


def test_without_a_lamp_nothing_is_explained(rng: np.random.Generator) -> None:
    normals = seen_normals(rng)
    values = 0.5 + rng.normal(0, 0.1, (len(normals), 3))
    assert fit_lamp(normals, values).unexplained > 0.9


def test_the_map_gives_a_diffuse_ball_its_values(rng: np.random.Generator) -> None:
    normals = seen_normals(rng)
    direction = np.array([0.6, 0.64, 0.48])
    values = 0.2 + COLOUR * np.maximum(normals @ direction, 0)[:, None]
    texels = fit_lamp(normals, values).texels(64, 128, reflectance=0.5)
    cosines = np.maximum(texel_directions(64, 128) @ direction, 0)[:, :, None]
    solid_angles = texel_solid_angles(64, 128)[:, :, None]
    facing = 0.5 / np.pi * (texels * cosines * solid_angles).sum(axis=(0, 1))
    np.testing.assert_allclose(facing, 0.2 + COLOUR, rtol=0.02)  # the lamp is a little spread
