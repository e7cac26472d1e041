"""What pictures do not tell is filled in."""

from __future__ import annotations

import numpy as np

import envmap_inverse as ei
from envmap_inverse.optimizers.least_squares.filling import measured, with_filled
from envmap_inverse.scene.ball import BallShot, ball_scene, conductor
from envmap_inverse.sphere.circles import Circle
from envmap_inverse.sphere.latlong import texel_directions

ROOM, WALL = 0.2, 6.0
"""Radiance; the wall is behind the ball, and clipped in the longer exposure."""

SHORT, WHITE = 0.05, 0.999
SIZE = (64, 32)
"""Of the map."""


def test_what_only_clipped_pixels_see_behind_a_ball_is_no_dark_hole() -> None:
    shot = BallShot.at_distance((64, 64), Circle(x=32, y=32, radius=29), 20.0)
    scene = ei.load_scene(ball_scene(conductor("0.9")), envmap=SIZE)
    scene.set_sensors([shot.camera("camera")])
    angles = np.degrees(np.arccos(-texel_directions(*reversed(SIZE)) @ shot.towards_camera))
    random = np.random.default_rng(1)
    light = np.where(angles < 75, WALL, ROOM) * random.uniform(0.5, 1.5, angles.shape)
    scene.set_envmap(np.repeat(light[:, :, None], 3, axis=2).astype(np.float32))
    picture = ei.render(scene, spp=256, seed=3)
    # A short exposure that was moved onto the long one misses its outermost pixels.
    rim = np.hypot(*(np.indices(picture.shape[:2]) + 0.5 - picture.shape[0] / 2))
    views = [
        ei.View(
            np.clip(exposure * picture + random.normal(0, 0.004, picture.shape), 0, 1),
            mask=shot.mask() * (rim < radius),
            exposure=exposure,
            white=WHITE,
        )
        for exposure, radius in ((1.0, 29.0), (SHORT, 27.5))
    ]
    result = ei.estimate(scene, views, optimizer=ei.Transport())
    hole = result.texels.mean(axis=2)[angles < 20]
    assert np.median(hole) > 0.4  # it was 0.01, though the clipped pixels say that it is 1 or more


def test_texels_that_clipped_pixels_alone_see_are_not_measured() -> None:
    columns = np.array([[1.0, 1, 1], [2, 2, 2], [0.01, 0.01, 0.01], [0, 0, 0]])
    not_over = np.array([[0.1, 0.1, 0.1], [1, 1, 1], [0.01, 0.01, 0.01], [0, 0, 0]])
    assert measured(columns, not_over).tolist() == [False, True, True, False]


def test_a_bound_keeps_light_that_is_brighter_than_its_surroundings() -> None:
    light = np.ones((8, 16, 3), np.float32)
    light[4, 7:9] = 5.0, 5.0, 5.0
    light[4, 8] = 0.01
    light[2, 3] = 9.0
    seen, known = np.ones((2, 8, 16), bool)
    known[4, 7:9] = known[2, 3] = False
    seen[2, 3] = False
    found = with_filled(light, np.ones_like(light), seen, known)
    np.testing.assert_allclose(found[4, 7], 5.0)
    np.testing.assert_allclose(found[4, 8], 1.0, rtol=1e-4)
    np.testing.assert_allclose(found[2, 3], 1.0, rtol=1e-4)
    assert found[0, 0, 0] == 1.0
