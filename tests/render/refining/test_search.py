"""Numbers of a scene that are found again."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import envmap_inverse as ei
from envmap_inverse.problem.problem import Problem
from envmap_inverse.refining.search import Refiner
from envmap_inverse.scene.adjusting import AdjustedCamera

MakeScene = Callable[..., ei.Scene]
SIZE = 24
TURN = 1.0
"""The picture's camera was turned by so many degrees."""


@pytest.fixture(scope="module")
def scene(make_scene: MakeScene) -> ei.Scene:
    return make_scene("mirror", size=(SIZE, SIZE))


@pytest.fixture(scope="module")
def picture(scene: ei.Scene) -> np.ndarray[Any, Any]:
    camera = AdjustedCamera(scene, 0)
    camera.place([0, TURN, 0], [0, 0, 0])
    image = ei.render(scene, spp=256, seed=5)
    camera.place([0, 0, 0], [0, 0, 0])
    return image


@pytest.fixture(scope="module")
def result(scene: ei.Scene, picture: np.ndarray[Any, Any]) -> ei.Estimate:
    refine = ei.Refine(camera=True)
    return ei.estimate(scene, picture, optimizer=ei.Transport(spp=64), refine=refine)


def test_the_direction_is_found(result: ei.Estimate) -> None:
    found = {name: number.after for name, number in result.refined.items()}
    pixel = 40 / SIZE
    assert found["sensor0 yaw"] == pytest.approx(TURN, abs=pixel / 10)
    assert found["sensor0 pitch"] == pytest.approx(0, abs=pixel / 10)


def test_the_scene_keeps_what_was_found(result: ei.Estimate, scene: ei.Scene) -> None:
    assert result.refinement is not None
    assert AdjustedCamera(scene, 0).values() == result.refinement.values


def test_films_and_map_have_their_sizes_again(result: ei.Estimate, scene: ei.Scene) -> None:
    assert scene.film_size() == (SIZE, SIZE)
    assert scene.envmap.resolution == (16, 8)
    assert result.texels.shape == (8, 16, 3)


def test_the_picture_is_explained_better_than_by_the_given_scene(
    make_scene: MakeScene, picture: np.ndarray[Any, Any], result: ei.Estimate
) -> None:
    given = make_scene("mirror", size=(SIZE, SIZE))
    unrefined = ei.estimate(given, picture, optimizer=ei.Transport(spp=64))
    assert result.history[-1].loss < 0.7 * unrefined.history[-1].loss


def test_a_result_names_its_numbers_in_its_summary(result: ei.Estimate, tmp_path: Any) -> None:
    result.save(tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text())
    number = summary["refined"]["sensor0 yaw"]
    assert number["before"] == 0
    assert number["after"] == pytest.approx(TURN, abs=0.2)
    assert set(summary["refined_parameters"]) == {"sensor0.to_world", "sensor0.x_fov"}


def test_a_material_that_no_scene_has_is_refused(
    make_scene: MakeScene, picture: np.ndarray[Any, Any]
) -> None:
    with pytest.raises(ei.InputError, match="no material 'gold' can be refined"):
        ei.estimate(
            make_scene("mirror", size=(SIZE, SIZE)),
            picture,
            refine=ei.Refine(gain=ei.Within(of="gold")),
        )


def test_what_cannot_be_recorded_cannot_be_refined(
    make_scene: MakeScene, picture: np.ndarray[Any, Any]
) -> None:
    scene = make_scene("mirror", size=(SIZE, SIZE), integrator={"type": "ptracer"})
    problem = Problem.create(scene, picture, loss=ei.MSE())
    with pytest.raises(ei.InputError, match=r"refine: .*; leave it out"):
        Refiner(problem, ei.Refine(fov=True))
