"""Numbers of a scene that are found beside unknown exposures, and of several cameras."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import envmap_inverse as ei
from envmap_inverse.problem.problem import Problem
from envmap_inverse.refining.search import Refiner

MakeScene = Callable[..., ei.Scene]


def test_each_camera_has_its_own_numbers(make_scene: MakeScene) -> None:
    scene = make_scene("mirror", cameras=((0, 0, 4), (4, 0, 0)))
    images = [ei.render(scene, spp=16, sensor=sensor) for sensor in (0, 1)]
    views = [ei.View(image, sensor=sensor) for sensor, image in enumerate(images)]
    problem = Problem.create(scene, views, loss=ei.MSE())
    found = Refiner(problem, ei.Refine(fov=True)).refinement([1.0, -2.0], [0.1, 0.1])
    after = {name: number.after for name, number in found.numbers.items()}
    assert after == pytest.approx({"sensor0 fov": 41, "sensor1 fov": 38})


def test_a_field_of_view_is_found_beside_an_exposure(make_scene: MakeScene) -> None:
    scene = make_scene("mirror", size=(16, 16))
    image = ei.render(scene, spp=64)
    views = [ei.View(image), ei.View(image / 4, exposure="auto")]
    problem = Problem.create(scene, views, loss=ei.QuasiLikelihood(), priors=(ei.Tikhonov(),))
    found = Refiner(problem, ei.Refine(fov=True)).search().numbers["sensor0 fov"]
    assert abs(found.after - 40) < 3 * found.deviation


def test_a_search_that_is_stopped_ends_with_what_it_has(make_scene: MakeScene) -> None:
    scene = make_scene("mirror", size=(16, 16))
    problem = Problem.create(scene, ei.render(scene, spp=16), loss=ei.MSE())
    found = Refiner(problem, ei.Refine(fov=True)).search(is_stopped=lambda: True)
    assert found.numbers["sensor0 fov"].before == pytest.approx(40, rel=0.1)


def test_numbers_of_materials_are_named(make_scene: MakeScene) -> None:
    scene = make_scene("rough")
    problem = Problem.create(scene, ei.render(scene, spp=4), loss=ei.MSE())
    refiner = Refiner(problem, ei.Refine(gain=True, roughness=True))
    numbers = refiner.refinement([0.0] * 8, [0.1] * 8).numbers
    assert {name.split()[-1] for name in numbers} == {"red", "green", "blue", "roughness"}
    assert [number.before for number in numbers.values()] == pytest.approx([1.0] * 6 + [0.3] * 2)


def test_a_metal_has_no_albedo(make_scene: MakeScene) -> None:
    scene = make_scene("mirror")
    problem = Problem.create(scene, ei.render(scene, spp=4), loss=ei.MSE())
    with pytest.raises(ei.InputError, match="refine albedo: no material of the scene has such"):
        Refiner(problem, ei.Refine(albedo=True))


def test_the_place_of_a_camera_is_free_if_asked_for(make_scene: MakeScene) -> None:
    scene = make_scene("mirror")
    problem = Problem.create(scene, ei.render(scene, spp=4), loss=ei.MSE())
    within = ei.Within(percent=1)
    numbers = Refiner(problem, ei.Refine(camera=within)).refinement([0.0] * 6, [1.0] * 6).numbers
    assert [name.split()[-1] for name in numbers] == ["pitch", "yaw", "roll", "x", "y", "z"]


def test_the_rotation_of_a_shape_is_free_if_asked_for(make_scene: MakeScene) -> None:
    scene = make_scene("mirror")
    problem = Problem.create(scene, ei.render(scene, spp=4), loss=ei.MSE())
    refiner = Refiner(problem, ei.Refine(pose=ei.Within(of="small", degrees=2)))
    found = refiner.refinement([0.1, 0, 0, 0, 0, 5.0], [1.0] * 6)
    assert found.numbers["small x"].after == pytest.approx(0.1)
    assert found.numbers["small turn about z"].after == 5
    assert list(found.values) == ["small: moved by"]
