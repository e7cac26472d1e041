"""Scenes that are given wrong on purpose, and what fits say of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import solids
from numpy.typing import NDArray
from scipy import ndimage

import envmap_inverse as ei
from envmap_inverse.scene.windows import pixels_on_objects

Image = NDArray[np.float32]
MakeScene = Callable[..., ei.Scene]
SIZE = 48
RIM, BACKGROUND = "at the outlines of objects", "misfits where it sees the map directly"


@pytest.fixture(scope="module")
def make_ball(
    tmp_path_factory: pytest.TempPathFactory, make_scene: MakeScene, random_map: Any
) -> Callable[..., ei.Scene]:
    """Makes scenes of a ball of so many rows of faces under smooth light."""
    folder = tmp_path_factory.mktemp("balls")
    waves = ndimage.gaussian_filter(np.log(random_map(24, 48)), (2, 2, 0), mode="wrap")
    texels = np.exp(4 * waves).astype(np.float32)

    def make(num_rows: int, material: str = "diffuse") -> ei.Scene:
        path = folder / f"{num_rows}.obj"
        solids.write(path, solids.ball(num_rows))
        bsdf = {
            "diffuse": {"type": "diffuse", "reflectance": {"type": "rgb", "value": 0.3}},
            "mirror": {"type": "conductor", "material": "Al"},
        }[material]
        ball = {"type": "obj", "filename": str(path), "bsdf": {"type": "twosided", "own": bsdf}}
        away = {"type": "sphere", "center": [0, 0, 90], "radius": 0.1}
        return make_scene(size=(SIZE, SIZE), texels=texels, large=ball, small=away)

    return make


def fit_of(scene: ei.Scene, picture: Image) -> Any:
    return ei.estimate(scene, picture, optimizer=ei.Transport(spp=64)).fit


@pytest.mark.parametrize("material", ["mirror", "diffuse"])
def test_an_exact_scene_and_noise_are_none(make_ball: Any, material: str) -> None:
    scene = make_ball(40, material)
    picture = ei.render(scene, spp=256, seed=5)
    noise = 0.02 * picture.mean() * np.random.default_rng(1).standard_normal(picture.shape)
    found = fit_of(scene, (picture + noise).astype(np.float32))
    assert (found.verdict, found.reason) == ("within noise", "")


def test_a_mesh_at_a_tenth_of_its_faces_is_named_by_its_outline(make_ball: Any) -> None:
    picture = ei.render(make_ball(40), spp=256, seed=5)
    found = fit_of(make_ball(12), picture)
    assert found.verdict != "within noise"
    assert RIM in found.reason
    assert BACKGROUND not in found.reason


@pytest.mark.parametrize("material", ["mirror", "diffuse"])
def test_another_background_is_named(make_ball: Any, material: str) -> None:
    scene = make_ball(40, material)
    picture = ei.render(scene, spp=256, seed=5)
    texture = np.random.default_rng(2).lognormal(0, 1, picture.shape)
    texture = ndimage.gaussian_filter(texture, (1, 1, 0)) * picture.mean()
    is_object = pixels_on_objects(scene.mi_scene, scene.sensor(0))
    found = fit_of(scene, np.where(is_object[:, :, None], picture, texture).astype(np.float32))
    assert found.verdict != "within noise"
    assert BACKGROUND in found.reason


def test_objects_that_misfit_alone_are_told_from_the_camera(make_ball: Any) -> None:
    scene = make_ball(40)
    picture = ei.render(scene, spp=256, seed=5)
    is_object = pixels_on_objects(scene.mi_scene, scene.sensor(0))
    stripes = np.where(np.arange(SIZE) // 6 % 2, 1.3, 0.7)[:, None, None]
    found = fit_of(scene, np.where(is_object[:, :, None], stripes * picture, picture))
    assert found.verdict == "no"
    assert "look at the objects rather than at the camera" in found.reason
