"""Scenes without an environment map get an unknown one; others, one of another resolution."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import envmap_inverse as ei
from envmap_inverse.scene.loading import has_envmap
from envmap_inverse.sphere.latlong import resample

SceneXml = Callable[..., str]


def without_map(scene_dict: Callable[..., dict[str, Any]], **more: Any) -> dict[str, Any]:
    described = scene_dict(**more)
    del described["my_envmap"]
    return described


def test_a_scene_without_a_map_gets_an_unknown_one(scene_file: Path, scene_xml: SceneXml) -> None:
    lit = ei.load_scene(scene_file)
    scene_file.write_text(scene_xml(envmap=""))
    assert not has_envmap(scene_file)
    scene = ei.load_scene(scene_file, envmap=(16, 8))
    assert (scene.envmap.name, scene.envmap.resolution) == ("my_envmap", (16, 8))
    np.testing.assert_array_equal(scene.envmap.texels, 1)
    np.testing.assert_array_equal(ei.render(scene, lit.envmap.texels, spp=4), ei.render(lit, spp=4))


def test_a_dictionary_without_a_map_gets_one(scene_dict: Callable[..., dict[str, Any]]) -> None:
    scene = ei.load_scene(without_map(scene_dict), envmap=(6, 3))
    assert scene.envmap.resolution == (6, 3)
    assert ei.render(scene, spp=4).min() > 0.1


def test_the_id_of_an_added_map_is_a_free_one(scene_dict: Callable[..., dict[str, Any]]) -> None:
    described = without_map(scene_dict, my_envmap_2={"type": "sphere", "radius": 0.1})
    described["my_envmap"] = {"type": "sphere", "center": [2, 0, 0], "radius": 0.1}
    assert ei.load_scene(described, envmap=(6, 3)).envmap.name == "my_envmap_3"


@pytest.mark.parametrize("kind", ["constant", "sunsky"])
def test_what_stands_for_a_map_gives_way_to_it(
    scene_dict: Callable[..., dict[str, Any]], kind: str
) -> None:
    described = without_map(scene_dict, sky={"type": kind})
    with pytest.warns(UserWarning, match=f"its {kind} emitter gives way to the unknown"):
        scene = ei.load_scene(described, envmap=(16, 8))
    assert len(scene.mi_scene.emitters()) == 1


def test_other_emitters_stay(scene_dict: Callable[..., dict[str, Any]]) -> None:
    lamp = {"type": "point", "position": [0, 3, 3], "intensity": 5.0}
    scene = ei.load_scene(without_map(scene_dict, material="diffuse", lamp=lamp), envmap=(16, 8))
    assert len(scene.mi_scene.emitters()) == 2


@pytest.mark.parametrize("size", [(32, 16), (6, 5)])
def test_the_map_of_a_scene_is_resampled(scene_file: Path, size: tuple[int, int]) -> None:
    assert has_envmap(scene_file)
    before = ei.load_scene(scene_file).envmap.texels
    scene = ei.load_scene(scene_file, envmap=size)
    assert scene.envmap.resolution == size
    expected = resample(before, size[1], size[0])
    np.testing.assert_allclose(scene.envmap.texels, expected, rtol=1e-6)


def test_a_scene_that_is_loaded_already_can_be_given_another_resolution(scene: ei.Scene) -> None:
    assert ei.load_scene(scene.mi_scene, envmap=(8, 4)).envmap.resolution == (8, 4)
    assert ei.load_scene(scene, envmap=(6, 3)) is scene
    assert scene.envmap.resolution == (6, 3)


@pytest.mark.parametrize("size", [(2, 2), (3, 1), (2**15, 2**14)])
def test_a_resolution_that_no_map_can_have_is_refused(
    scene_file: Path, size: tuple[int, int]
) -> None:
    with pytest.raises(ei.InputError, match=rf"at least 3 x 2 .*; found {size[0]} x {size[1]}"):
        ei.load_scene(scene_file, envmap=size)


@pytest.mark.parametrize("size", [256, (256,), (25.6, 12.8), (8, 4, 3)])
def test_what_is_neither_an_id_nor_a_resolution_is_refused(scene_file: Path, size: Any) -> None:
    with pytest.raises(ei.InputError, match=r"give the map's id, or its resolution"):
        ei.load_scene(scene_file, envmap=size)


def test_the_light_of_a_scene_is_found_without_its_map_as_with_it(
    scene_file: Path, scene_xml: SceneXml
) -> None:
    lit = ei.load_scene(scene_file)
    image = ei.render(lit, spp=64)
    scene_file.write_text(scene_xml(envmap=""))
    scene = ei.load_scene(scene_file, envmap=(16, 8))
    found, expected = (ei.estimate(s, image, optimizer=ei.Transport()) for s in (scene, lit))
    np.testing.assert_array_equal(found.texels, expected.texels)
