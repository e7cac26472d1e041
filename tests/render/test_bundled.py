from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import envmap_inverse as ei
from envmap_inverse import bundled
from envmap_inverse.bundled import (
    MAPS,
    MATERIALS,
    OBJECTS,
    bundled_scene,
    bunny,
    map_file,
    scene_file,
)
from envmap_inverse.images import read_image
from envmap_inverse.sphere import latlong


@pytest.mark.parametrize("name", OBJECTS)
def test_every_scene_file_has_the_tutorials_film_and_a_map_by_the_same_name(name: str) -> None:
    scene = ei.load_scene(scene_file(name))
    assert scene.film_size() == (512, 512)
    assert scene.envmap.name == "my_envmap"
    assert scene.envmap.resolution == (250, 125)


@pytest.mark.parametrize("name", OBJECTS)
def test_a_scene_file_takes_a_resolution(name: str) -> None:
    assert ei.load_scene(scene_file(name), resolution=8).film_size() == (8, 8)


@pytest.mark.parametrize("name", MAPS)
def test_every_map_is_light(name: str) -> None:
    texels = read_image(map_file(name))
    assert texels.shape == (125, 250, 3)
    assert np.isfinite(texels).all()
    assert (texels >= 0).all()
    assert np.average(texels.mean(axis=2), weights=latlong.texel_solid_angles(125, 250)) > 0.1


@pytest.mark.parametrize("material", MATERIALS)
@pytest.mark.parametrize("name", OBJECTS)
def test_every_object_reflects_light_in_every_material(name: str, material: str) -> None:
    scene = bundled_scene(name, material)
    scene.set_film_size(8)
    alone = {"type": "path", "max_depth": 6, "hide_emitters": True}
    image = ei.render(scene, spp=4, integrator=alone)
    assert np.isfinite(image).all()
    assert 8 < np.count_nonzero(image.any(axis=2)) < 64


def test_a_bundled_scene_is_made_of_its_material_and_no_other() -> None:
    names = {name for name in bundled_scene("knot", "plastic").parameters if "knot" in name}
    assert "knot.bsdf.diffuse_reflectance.value" in names
    assert not any("alpha" in name for name in names)


def test_the_bunny_is_one_of_them() -> None:
    assert bunny() == scene_file("bunny")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: scene_file("cow"), "no bundled object 'cow'; there are: bunny, ball, knot"),
        (lambda: map_file("moon"), "no bundled map 'moon'; there are: museum, windows, lamps, sun"),
        (
            lambda: bundled_scene("ball", "wood"),
            "no bundled material 'wood'; there are: mirror, rough, plastic, diffuse",
        ),
    ],
)
def test_an_unknown_name_is_refused_with_the_known_ones(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(ei.InputError) as caught:
        call()
    assert str(caught.value) == message


def test_adam_runs_on_several_bundled_scenes_at_once() -> None:
    scenes = [bundled_scene(), bundled_scene()]
    for scene in scenes:
        scene.set_film_size(4)
        result = ei.estimate(scene, ei.render(scene, spp=1), optimizer=ei.Adam(iterations=1))
        assert result.num_dropped == 0


def test_missing_scenes_are_told_with_what_brings_them_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundled, "__file__", str(tmp_path / "package" / "bundled.py"))
    with pytest.raises(FileNotFoundError, match="the bundled scenes are missing; reinstall"):
        scene_file("bunny")
