"""Small copies of a problem."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import envmap_inverse as ei
from envmap_inverse.backend import mi
from envmap_inverse.problem.problem import Problem
from envmap_inverse.refining.levels import at_side, sides_of
from envmap_inverse.run.checkpoints import fingerprints

MakeScene = Callable[..., ei.Scene]


def problem_of(scene: ei.Scene) -> Problem:
    width, height = scene.film_size()
    return Problem.create(scene, np.ones((height, width, 3), np.float32), loss=ei.MSE())


@pytest.mark.parametrize(
    ("size", "sides"), [(16, [16]), (64, [32, 64]), (100, [50, 100]), (600, [32, 64, 128])]
)
def test_films_go_from_coarse_to_fine(make_scene: MakeScene, size: int, sides: list[int]) -> None:
    assert sides_of(problem_of(make_scene(size=(size, 2))), 128) == sides


def test_a_small_film_keeps_the_aspect(make_scene: MakeScene) -> None:
    with at_side(problem_of(make_scene(size=(320, 213))), 64) as small:
        width, height = small.scene.film_size()
    assert 54 <= width <= 64
    assert width / height == pytest.approx(320 / 213, rel=2e-3)


def test_a_map_has_no_more_columns_than_the_film_can_tell(make_scene: MakeScene) -> None:
    scene = make_scene(texels=np.ones((64, 128, 3), np.float32), size=(32, 32))
    with at_side(problem_of(scene), 16) as small:
        assert small.initial.shape == (16, 32, 3)
        assert scene.envmap.resolution == (32, 16)
    assert scene.envmap.resolution == (128, 64)


def test_the_scene_is_the_same_bit_by_bit_afterwards(make_scene: MakeScene) -> None:
    scene = make_scene(size=(33, 21))
    params = mi.traverse(scene.sensor())
    params["principal_point_offset_x"] = mi.Float(0.123)
    params.update()
    problem = problem_of(scene)
    before = fingerprints(problem, ei.Transport())
    with at_side(problem, 16):
        assert scene.film_size()[0] <= 16
    assert fingerprints(problem, ei.Transport()) == before
