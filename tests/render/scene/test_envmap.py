"""Texels are radiance; the emitter's `scale`, tensor and matrices are known to the map alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.backend import dr, mi
from envmap_inverse.sphere import latlong

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


def test_a_map_set_and_read_back_is_bit_equal(scene: ei.Scene, rng: np.random.Generator) -> None:
    exponents = rng.uniform(-40, 38, (8, 16, 3))
    texels = (rng.random((8, 16, 3)) * 10.0**exponents).astype(np.float32)
    texels[0, 0] = (0, 1e-45, 3.4e38)
    scene.set_envmap(texels)
    found = scene.envmap.texels
    assert (found.dtype, found.shape) == (np.float32, (8, 16, 3))
    np.testing.assert_array_equal(found.view(np.uint32), texels.view(np.uint32))


def test_a_map_set_as_flat_rgba_and_read_back_is_bit_equal(
    scene: ei.Scene, random_map: MakeMap
) -> None:
    texels = random_map(seed=5)
    scene.set_envmap(latlong.flatten_rgba(texels))
    np.testing.assert_array_equal(scene.envmap.texels, texels)
    np.testing.assert_array_equal(scene.envmap.rgba, latlong.flatten_rgba(texels))


def test_alpha_is_ignored_when_set_and_one_when_read(scene: ei.Scene, random_map: MakeMap) -> None:
    rgba = latlong.flatten_rgba(random_map(seed=5))
    rgba[3::4] = 0.3
    scene.set_envmap(rgba)
    assert (scene.envmap.rgba[3::4] == 1).all()


def test_the_map_of_a_file_is_the_files(scene_file: Path, random_map: MakeMap) -> None:
    np.testing.assert_array_equal(ei.load_scene(scene_file).envmap.texels, random_map())


def test_texels_are_a_copy(scene: ei.Scene) -> None:
    before = scene.envmap.texels
    scene.envmap.texels[:] = 0
    np.testing.assert_array_equal(scene.envmap.texels, before)


def test_the_resolution_is_width_and_height_without_halo(scene: ei.Scene) -> None:
    assert scene.envmap.resolution == (16, 8)
    assert scene.envmap.name == "my_envmap"


def test_both_sides_of_the_seam_follow_the_map(scene: ei.Scene, random_map: MakeMap) -> None:
    texels = random_map(seed=9)
    scene.set_envmap(texels)
    data = np.array(mi.traverse(scene.mi_scene)["my_envmap.data"])
    np.testing.assert_array_equal(data[:, 0], texels[:, -1])
    np.testing.assert_array_equal(data[:, -1], texels[:, 0])


@pytest.mark.parametrize(
    "shape", [(16, 8, 3), (8, 18, 3), (8, 16, 4), (8, 16), (8 * 16 * 3,), (8 * 18 * 4,), ()]
)
def test_a_map_of_another_shape_is_refused_with_both_shapes(
    scene: ei.Scene, shape: tuple[int, ...]
) -> None:
    message = rf"must have shape \(8, 16, 3\), or \(512,\).*found {re.escape(str(shape))}"
    with pytest.raises(ei.InputError, match=message):
        scene.set_envmap(np.ones(shape))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "1 values are NaN or infinite, the first in row 2, column 5"),
        (np.inf, "1 values are NaN or infinite, the first in row 2, column 5"),
        (-1e-6, r"0\.26 % of the texel values are negative"),
    ],
)
def test_a_map_that_is_no_light_is_refused_and_changes_nothing(
    scene: ei.Scene, value: float, message: str
) -> None:
    before = scene.envmap.texels
    texels = np.ones((8, 16, 3))
    texels[2, 5, 1] = value
    with pytest.raises(ei.InputError, match=message):
        scene.set_envmap(texels)
    np.testing.assert_array_equal(scene.envmap.texels, before)


def test_the_rotation_of_the_emitter_can_be_read(
    make_scene: MakeScene, random_map: MakeMap
) -> None:
    to_world = mi.ScalarTransform4f().rotate([0, 1, 0], 90)
    emitter = {"type": "envmap", "bitmap": mi.Bitmap(random_map()), "to_world": to_world}
    scene = make_scene(my_envmap=emitter)
    expected = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1]])
    np.testing.assert_allclose(scene.envmap.to_world, expected, atol=1e-6)


@pytest.mark.parametrize("angle", [0, 65])
def test_mitsuba_sees_each_texel_in_the_direction_that_latlong_gives(
    make_scene: MakeScene, random_map: MakeMap, angle: float
) -> None:
    to_world = mi.ScalarTransform4f().rotate([2 / 3, 1 / 3, 2 / 3], angle)
    texels = random_map()
    emitter = {"type": "envmap", "bitmap": mi.Bitmap(texels), "to_world": to_world}
    scene = make_scene(my_envmap=emitter)
    rotation = scene.envmap.to_world[:3, :3]
    directions = latlong.texel_directions(8, 16)[1:-1].reshape(-1, 3) @ rotation.T
    interaction = dr.zeros(mi.SurfaceInteraction3f, len(directions))
    interaction.wi = -mi.Vector3f(directions.T.astype(np.float32))
    seen = np.array(scene.mi_scene.environment().eval(interaction)).T
    np.testing.assert_allclose(seen, texels[1:-1].reshape(-1, 3), rtol=1e-3)
