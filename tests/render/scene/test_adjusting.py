"""Cameras, shapes and materials that are adjusted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import envmap_inverse as ei
from envmap_inverse.bundled import bundled_scene
from envmap_inverse.scene.adjusting import (
    AdjustedCamera,
    AdjustedMaterial,
    AdjustedShape,
    materials_of,
    shapes_of,
)

MakeScene = Callable[..., ei.Scene]


def test_adjustments_count_from_the_values_that_were_there(scene: ei.Scene) -> None:
    before = ei.render(scene, spp=4)
    camera, shape = AdjustedCamera(scene, 0), AdjustedShape(scene, "small")
    camera.place([1, 2, 3], [0.1, 0, 0])
    camera.zoom(50)
    shape.place([0, 0, 9], [0.1, 0.2, 0])
    assert not np.allclose(ei.render(scene, spp=4), before)
    camera.place([0, 0, 0], [0, 0, 0])
    camera.zoom(camera.fov or 0)
    shape.place([0, 0, 0], [0, 0, 0])
    np.testing.assert_allclose(ei.render(scene, spp=4), before, rtol=1e-4)


def test_a_camera_turns_about_its_own_axes(scene: ei.Scene) -> None:
    camera = AdjustedCamera(scene, 0)
    before = np.array(camera.values()["sensor0.to_world"])
    camera.place([0, 90, 0], [0, 0, 1])
    after = np.array(camera.values()["sensor0.to_world"])
    np.testing.assert_allclose(after[:3, 2], before[:3, 0], atol=1e-6)  # it looks to its right
    np.testing.assert_allclose(after[:3, 3] - before[:3, 3], before[:3, 2], atol=1e-6)


def test_the_values_of_a_camera_make_the_same_camera(scene: ei.Scene) -> None:
    camera = AdjustedCamera(scene, 0)
    camera.place([1, 2, 3], [0, 0, 0])
    camera.zoom(45)
    values = camera.values()
    again = AdjustedCamera(scene, 0)
    assert again.values() == values
    assert again.fov == values["sensor0.x_fov"] == 45


def test_a_mesh_turns_about_its_centre_with_its_normals() -> None:
    scene = bundled_scene("bunny", "mirror")
    scene.set_film_size(8)
    before = ei.render(scene, spp=4)
    shape = AdjustedShape(scene, "bunny")
    for angle in (90, 180, 270, 360):
        shape.place([0, angle, 0], [0, 0, 0])
    np.testing.assert_allclose(ei.render(scene, spp=4), before, rtol=0.05, atol=0.02)
    assert 1.9 < shape.size < 2.1


def test_the_gain_of_a_diffuse_material_is_in_the_picture(make_scene: MakeScene) -> None:
    scene = make_scene("diffuse", integrator={"type": "path", "max_depth": 2})
    full = np.zeros((8, 16, 3), np.float32)
    full[:4] = 1
    before = ei.render(scene, full, spp=64)[3:5, 3:5]
    for name in materials_of(scene):
        AdjustedMaterial(scene, name).colour([0.5, 1, 1])
    after = ei.render(scene, full, spp=64)[3:5, 3:5]
    np.testing.assert_allclose((after / before).mean(axis=(0, 1)), [0.5, 1, 1], rtol=1e-3)


def test_the_gain_of_a_metal_is_that_of_its_reflectance(make_scene: MakeScene) -> None:
    scene = make_scene("mirror", integrator={"type": "path", "max_depth": 2})
    white = np.ones((8, 16, 3), np.float32)
    before = ei.render(scene, white, spp=64)[4, 4]
    for name in materials_of(scene):
        AdjustedMaterial(scene, name).colour([0.9, 0.8, 0.5])
    after = ei.render(scene, white, spp=64)[4, 4]
    np.testing.assert_allclose(after / before, [0.9, 0.8, 0.5], rtol=0.02)


@pytest.mark.parametrize("gain", [0.01, 0.2, 1.0, 1.5])
def test_a_metal_reflects_at_most_everything(make_scene: MakeScene, gain: float) -> None:
    scene = make_scene("mirror")
    white = np.ones((8, 16, 3), np.float32)
    for name in materials_of(scene):
        AdjustedMaterial(scene, name).colour([gain] * 3)
    image = ei.render(scene, white, spp=4)
    assert np.isfinite(image).all()
    assert image.max() <= 1.01


def test_roughness_is_multiplied(make_scene: MakeScene) -> None:
    scene = make_scene("rough")
    name = next(iter(materials_of(scene)))
    material = AdjustedMaterial(scene, name)
    material.roughen(1.5)
    assert material.values()[f"{name}.alpha"] == pytest.approx([0.45])


def test_a_mirror_has_no_diffuse_reflectance(scene: ei.Scene) -> None:
    name = next(iter(materials_of(scene)))
    assert not AdjustedMaterial(scene, name, is_diffuse=True).has_reflectance
    assert AdjustedMaterial(scene, name).has_reflectance


def test_the_shapes_of_a_scene_are_named(scene: ei.Scene) -> None:
    assert sorted(shapes_of(scene)) == ["large", "small"]


def test_an_unknown_part_is_refused(scene: ei.Scene) -> None:
    with pytest.raises(ei.InputError, match=r"no shape 'smal' can be refined; .*'small'"):
        AdjustedShape(scene, "smal")
    with pytest.raises(ei.InputError, match="no material 'gold' can be refined; there are: "):
        AdjustedMaterial(scene, "gold")
