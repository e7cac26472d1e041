"""Scenes whose pictures show nothing of the environment map."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import envmap_inverse as ei

HOUSE = {"type": "cube", "flip_normals": True, "bsdf": {"type": "diffuse"}}
"""Of two units a side, about the origin."""


@pytest.fixture
def closed(make_scene: Callable[..., ei.Scene]) -> ei.Scene:
    """A camera in a closed room, and one outside it."""
    return make_scene("diffuse", cameras=[(0, 0.9, 0.95), (0, 0, 4)], house=HOUSE)


def test_a_scene_that_sees_nothing_is_refused(closed: ei.Scene) -> None:
    with pytest.raises(
        ei.InputError, match=r"no light of the environment map reaches .*\(sensor 0\)"
    ):
        ei.estimate(closed, np.ones((8, 8, 3)))


def test_other_lights_do_not_hide_that(make_scene: Callable[..., ei.Scene]) -> None:
    lamp = {"type": "point", "position": [0.9, 0.9, 0.9], "intensity": 5.0}
    scene = make_scene("diffuse", cameras=[(0, 0.9, 0.95)], house=HOUSE, lamp=lamp)
    assert ei.render(scene).any()
    with pytest.raises(ei.InputError, match="no light of the environment map reaches"):
        ei.estimate(scene, np.ones((8, 8, 3)))


def test_a_view_that_sees_nothing_beside_another_is_warned_of(closed: ei.Scene) -> None:
    views = [ei.View(np.ones((8, 8, 3)), sensor=k, name=f"picture {k}") for k in range(2)]
    with pytest.warns(UserWarning, match="picture 0: no light .* reaches sensor 0"):
        result = ei.estimate(closed, views, optimizer=ei.Adam(iterations=1))
    assert result.coverage.any()


def test_a_mask_that_leaves_the_unlit_is_refused(make_scene: Callable[..., ei.Scene]) -> None:
    scene = make_scene("mirror", integrator={"type": "path", "hide_emitters": True})
    corner = np.zeros((8, 8), np.float32)
    corner[0, 0] = 1  # whose rays meet nothing
    with pytest.raises(ei.InputError, match="no light of the environment map reaches"):
        ei.estimate(scene, ei.View(np.ones((8, 8, 3)), mask=corner))
