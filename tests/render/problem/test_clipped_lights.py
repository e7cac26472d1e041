"""A grey ball beside a mirror shows how bright a clipped sun is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import envmap_inverse as ei
from envmap_inverse.backend import mi
from envmap_inverse.problem.clipped_lights import with_clipped_lights
from envmap_inverse.problem.view import View
from envmap_inverse.scene.ball import BallShot, ball_scene, conductor
from envmap_inverse.sphere.circles import Circle
from envmap_inverse.sphere.latlong import texel_directions, uv_to_direction

SHOT = replace(
    BallShot.at_distance((110, 60), Circle(x=30, y=30, radius=26), 12.0),
    grey=Circle(x=85, y=32, radius=20),
)


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """Both balls under an even sky and a sun, in front and above."""
    ei.backend.select_variant()
    texels = np.full((64, 128, 3), 0.2, np.float32)
    near = texel_directions(64, 128) @ uv_to_direction(0.1, 0.3) > np.cos(np.radians(5))
    texels[near] = [60, 50, 40]
    light = {"type": "envmap", "bitmap": mi.Bitmap(texels)}
    scene = ei.load_scene({**ball_scene(conductor("0.9"), SHOT.beside()), "light": light})
    scene.set_sensors([SHOT.camera("camera")])
    return ei.render(scene, spp=256, seed=1)


def test_the_grey_ball_is_where_its_outline_is(image: np.ndarray) -> None:
    assert SHOT.grey is not None
    lit = image.max(axis=2) > 0.018  # half of what its darkest side reflects
    inside = SHOT.mask(pixel=0.0) > 0
    assert lit[inside].mean() > 0.99
    y, x = np.indices(lit.shape) + 0.5
    grey = np.hypot(x + SHOT.window.x - 85, y + SHOT.window.y - 32) < 24
    assert lit[grey].sum() == pytest.approx(np.pi * 20**2, rel=0.03)


def test_a_clipped_sun_gets_its_light_back(image: np.ndarray) -> None:
    clipped = View(np.minimum(image, 1), mask=SHOT.mask(), white=1.0)
    (made,) = with_clipped_lights([clipped], [SHOT], mirror=0.9, grey=0.18)
    is_sun = clipped.is_over & SHOT.on_mirror()[:, :, None] & (clipped.mask > 0)[:, :, None]
    assert is_sun.sum() > 20
    assert not made.is_over[made.mask > 0].any()
    for channel in range(3):
        own = is_sun[:, :, channel]
        found, true = made.image[own, channel].sum(), image[own, channel].sum()
        assert found == pytest.approx(true, rel=0.2)
    others = ~is_sun
    np.testing.assert_array_equal(made.image[others], clipped.image[others])


def test_what_is_not_known_stays_a_bound(image: np.ndarray) -> None:
    clipped = View(np.minimum(image, 1), mask=SHOT.mask(), white=1.0, exposure="auto")
    (made,) = with_clipped_lights([clipped], [SHOT], mirror=0.9, grey=0.18)
    assert made.is_over[made.mask > 0].any()
    np.testing.assert_array_equal(made.image, clipped.image)
