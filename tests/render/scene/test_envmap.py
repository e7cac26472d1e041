"""Texels are radiance; the emitter's `scale`, tensor and matrices are known to the map alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.backend import dr, mi

MakeScene = Callable[..., ei.Scene]
MakeMap = Callable[..., NDArray[np.float32]]


@pytest.fixture
def scaled(make_scene: MakeScene, random_map: MakeMap) -> ei.Scene:
    """A scene whose emitter multiplies its map by 2.5."""
    emitter = {"type": "envmap", "bitmap": mi.Bitmap(random_map()), "scale": 2.5}
    return make_scene(my_envmap=emitter)


def scale_of(scene: ei.Scene) -> float:
    return float(mi.traverse(scene.mi_scene)["my_envmap.scale"][0])


def test_texels_are_what_the_light_is(scaled: ei.Scene, random_map: MakeMap) -> None:
    np.testing.assert_array_equal(scaled.envmap.texels, np.float32(2.5) * random_map())


def test_a_map_that_was_set_is_the_light_itself(scaled: ei.Scene, random_map: MakeMap) -> None:
    texels = random_map(seed=2)
    scaled.set_envmap(texels)
    np.testing.assert_array_equal(scaled.envmap.texels, texels)
    assert scale_of(scaled) == 1


def test_setting_the_present_map_changes_no_image(scaled: ei.Scene) -> None:
    before = ei.render(scaled, spp=4)
    scaled.set_envmap(scaled.envmap.texels)
    np.testing.assert_allclose(ei.render(scaled, spp=4), before, rtol=1e-5)


def test_rendering_another_map_leaves_the_scenes_own_with_its_scale(
    scaled: ei.Scene, make_scene: MakeScene, random_map: MakeMap
) -> None:
    texels = random_map(seed=3)
    image = ei.render(scaled, texels, spp=4)
    np.testing.assert_allclose(image, ei.render(make_scene(), texels, spp=4), rtol=1e-5)
    assert scale_of(scaled) == 2.5
    np.testing.assert_array_equal(scaled.envmap.texels, np.float32(2.5) * random_map())


@pytest.mark.parametrize(
    "optimizer", [ei.Adam(iterations=40, spp=4), ei.Transport(spp=64)], ids=str
)
def test_an_estimate_is_radiance_whatever_the_scenes_scale(
    scaled: ei.Scene, make_scene: MakeScene, optimizer: ei.Adam | ei.Transport
) -> None:
    truth = scaled.envmap.texels
    image = ei.render(scaled, spp=64)
    options = {"optimizer": optimizer, "initial": truth, "ground_truth": truth}
    with pytest.warns(UserWarning, match=r"emitter has scale 2\.5; the recovered map is the light"):
        found = ei.estimate(scaled, image, **options)
    plain = ei.estimate(make_scene(), image, **options)
    np.testing.assert_allclose(found.texels, plain.texels, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found.coverage, plain.coverage, rtol=0.3, atol=1e-3)
    assert scale_of(scaled) == 2.5


def test_the_tensor_and_its_gradient_are_adjoint(scene: ei.Scene, rng: np.random.Generator) -> None:
    rgba = mi.Float(rng.uniform(size=8 * 16 * 4).astype(np.float32))
    weights = rng.normal(size=(8, 18, 3)).astype(np.float32)
    weights[:, [0, -1]] = 0  # Mitsuba refreshes the halo
    tensor = scene.envmap.to_tensor(rgba)
    dr.enable_grad(tensor)
    dr.backward(dr.sum(tensor * mi.TensorXf(weights)))
    gradient = np.array(scene.envmap.gradient_of(tensor)).reshape(8, 16, 4)
    np.testing.assert_array_equal(gradient[:, :, :3], weights[:, 1:-1])
    assert (gradient[:, :, 3] == 0).all()
    texels = np.array(rgba).reshape(8, 16, 4)[:, :, :3]
    np.testing.assert_array_equal(scene.envmap.texels_of(tensor), texels)


@pytest.mark.parametrize(
    ("turn", "is_rotated"),
    [
        (lambda t: t, True),
        (lambda t: t.rotate([0.6, 0.8, 0], 40), True),
        (lambda t: t.scale([-1, 1, 1]), True),
        (lambda t: t.rotate([1, 1, 0], 40), False),
        (lambda t: t.scale([1, 2, 1]), False),
    ],
)
def test_a_map_is_turned_or_worse(
    make_scene: MakeScene, random_map: MakeMap, turn: Callable[..., object], is_rotated: bool
) -> None:
    to_world = turn(mi.ScalarTransform4f())
    emitter = {"type": "envmap", "bitmap": mi.Bitmap(random_map()), "to_world": to_world}
    assert make_scene(my_envmap=emitter).envmap.is_rotated == is_rotated


def test_a_scene_is_the_same_whichever_map_and_scale_it_has(
    scaled: ei.Scene, make_scene: MakeScene, random_map: MakeMap
) -> None:
    """A run that goes on compares them."""
    before = [np.asarray(part).tolist() for part in scaled.contents()]
    scaled.set_envmap(random_map(seed=4))
    assert [np.asarray(part).tolist() for part in scaled.contents()] == before
