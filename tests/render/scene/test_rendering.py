from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from direct import called
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.backend import mi
from envmap_inverse.commands import scene as command
from envmap_inverse.images import read_image
from envmap_inverse.sphere import latlong

MakeScene = Callable[..., ei.Scene]
MakeMap = Callable[..., NDArray[np.float32]]


def test_an_image_is_float32_rgb_of_the_films_size(make_scene: MakeScene) -> None:
    image = ei.render(make_scene(size=(6, 4)), spp=1)
    assert (image.dtype, image.shape) == (np.float32, (4, 6, 3))


def test_the_same_seed_gives_the_same_image(scene: ei.Scene) -> None:
    images = [ei.render(scene, spp=4, seed=3) for _ in range(2)]
    np.testing.assert_array_equal(*images)


def test_another_seed_gives_another_image(scene: ei.Scene) -> None:
    images = [ei.render(scene, spp=4, seed=seed) for seed in range(3)]
    assert np.abs(images[0] - images[1]).max() > 0.01
    assert np.abs(images[1] - images[2]).max() > 0.01


def test_more_samples_leave_less_noise(scene: ei.Scene) -> None:
    noise = [
        np.std([ei.render(scene, spp=spp, seed=seed) for seed in range(8)], axis=0).mean()
        for spp in (4, 64)
    ]
    assert noise[1] / noise[0] == pytest.approx(1 / 4, rel=0.35)


def test_an_image_of_mirrors_is_linear_in_the_map(scene: ei.Scene, random_map: MakeMap) -> None:
    first, second = random_map(seed=2), random_map(seed=3)
    both = ei.render(scene, 2 * first - 3 * second, spp=4)
    alone = [ei.render(scene, texels, spp=4) for texels in (first, second)]
    np.testing.assert_allclose(both, 2 * alone[0] - 3 * alone[1], atol=2e-5)


def test_a_black_map_gives_a_black_image(make_scene: MakeScene, material: str) -> None:
    image = ei.render(make_scene(material), np.zeros((8, 16, 3)), spp=4)
    np.testing.assert_array_equal(image, 0)


def test_the_emitters_scale_multiplies_the_image(
    make_scene: MakeScene, random_map: MakeMap
) -> None:
    emitter = {"type": "envmap", "bitmap": mi.Bitmap(random_map()), "scale": 2.5}
    scaled = ei.render(make_scene(my_envmap=emitter), spp=4)
    np.testing.assert_allclose(scaled, 2.5 * ei.render(make_scene(), spp=4), rtol=1e-5)


def test_rendering_leaves_the_map_as_it_was(scene: ei.Scene, random_map: MakeMap) -> None:
    before = ei.render(scene, spp=4)
    ei.render(scene, random_map(seed=5), spp=1)
    ei.render(scene, random_map(5, 7), spp=1)
    np.testing.assert_array_equal(scene.envmap.texels, random_map())
    np.testing.assert_array_equal(ei.render(scene, spp=4), before)


def test_a_failed_rendering_leaves_the_map_as_it_was(scene: ei.Scene, random_map: MakeMap) -> None:
    with pytest.raises(ei.InputError):
        ei.render(scene, random_map(seed=5), spp=1, sensor=7)
    with pytest.raises(ZeroDivisionError), scene.envmap.holding(random_map(seed=5)):
        _ = 1 / 0
    np.testing.assert_array_equal(scene.envmap.texels, random_map())


def test_a_map_may_be_given_as_texels_or_flat_rgba(scene: ei.Scene, random_map: MakeMap) -> None:
    texels = random_map(seed=5)
    np.testing.assert_array_equal(
        ei.render(scene, latlong.flatten_rgba(texels), spp=4), ei.render(scene, texels, spp=4)
    )


def test_a_map_given_and_a_map_set_give_the_same_image(
    scene: ei.Scene, random_map: MakeMap
) -> None:
    given = ei.render(scene, random_map(seed=5), spp=4)
    scene.set_envmap(random_map(seed=5))
    np.testing.assert_array_equal(ei.render(scene, spp=4), given)


@pytest.mark.parametrize("resolution", [(2, 3), (3, 40), (33, 17)])
def test_a_map_of_any_resolution_can_be_rendered(
    scene: ei.Scene, resolution: tuple[int, int]
) -> None:
    image = ei.render(scene, np.full((*resolution, 3), 0.5), spp=4)
    background = image[[0, 0, -1, -1], [0, -1, 0, -1]]
    np.testing.assert_allclose(background, 0.5, rtol=1e-6)


def test_the_same_paths_give_mitsubas_own_rendering_of_the_same_file(scene_file: Path) -> None:
    reference = np.array(mi.render(mi.load_file(str(scene_file)), spp=8, seed=11))
    np.testing.assert_array_equal(ei.render(ei.load_scene(scene_file), spp=8, seed=11), reference)


def test_a_map_that_was_set_gives_mitsubas_own_rendering_of_that_map(
    scene_file: Path, random_map: MakeMap
) -> None:
    reference = np.array(mi.render(mi.load_file(str(scene_file)), spp=8, seed=11))
    scene = ei.load_scene(scene_file)
    scene.set_envmap(np.ones((8, 16, 3)))
    assert np.abs(ei.render(scene, spp=8, seed=11) - reference).max() > 0.1
    scene.set_envmap(random_map())
    np.testing.assert_array_equal(ei.render(scene, spp=8, seed=11), reference)


def test_alpha_of_the_film_is_dropped(make_scene: MakeScene) -> None:
    rgba = ei.render(make_scene(film={"pixel_format": "rgba"}), spp=4)
    np.testing.assert_allclose(rgba, ei.render(make_scene(), spp=4), rtol=1e-6)


@pytest.mark.parametrize("pixel_format", ["luminance", "luminance_alpha", "xyz"])
def test_a_film_without_rgb_is_refused(make_scene: MakeScene, pixel_format: str) -> None:
    scene = make_scene(film={"pixel_format": pixel_format})
    with pytest.raises(ei.InputError, match="set its pixel_format to 'rgb' or 'rgba'"):
        ei.render(scene, spp=1)


def test_each_sensor_takes_its_own_picture(make_scene: MakeScene) -> None:
    scene = make_scene(cameras=[(0, 0, 4), (4, 0, 0)])
    images = [ei.render(scene, spp=4, sensor=k) for k in range(2)]
    assert np.abs(images[0] - images[1]).max() > 0.1


@pytest.mark.parametrize("as_dictionary", [True, False])
def test_another_integrator_can_be_used(scene: ei.Scene, as_dictionary: bool) -> None:
    integrator: Any = {"type": "path", "max_depth": 1}
    image = ei.render(
        scene, spp=4, integrator=integrator if as_dictionary else mi.load_dict(integrator)
    )
    np.testing.assert_array_equal(image[3:5, 3:5], 0)  # no light is reflected
    np.testing.assert_array_equal(image[0, 0], ei.render(scene, spp=4)[0, 0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spp": 0}, "spp must be at least 1; found 0"),
        ({"spp": -1}, "spp must be at least 1; found -1"),
        ({"spp": 2**32}, r"spp must be less than 2\^32; found 4294967296"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"sensor": 1}, r"sensor 1: the scene has 1 sensor,"),
        ({"sensor": -1}, r"sensor -1: the scene has 1 sensor,"),
        ({"texels": np.ones((8, 16))}, r"must have shape \(8, 16, 3\)"),
        ({"texels": np.ones((1, 16, 3))}, r"must have shape \(8, 16, 3\)"),
        ({"texels": np.ones(511)}, r"must have shape \(8, 16, 3\)"),
        ({"texels": np.full((8, 16, 3), np.nan)}, "384 values are NaN or infinite"),
    ],
)
def test_what_cannot_be_rendered_is_refused(
    scene: ei.Scene, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ei.InputError, match=message):
        ei.render(scene, **{"spp": 1, **options})


def test_a_scene_without_an_integrator_is_refused(
    scene_dict: Callable[..., dict[str, Any]],
) -> None:
    described = scene_dict()
    del described["integrator"]
    with pytest.raises(ei.InputError, match="integrator"):
        ei.render(ei.load_scene(described), spp=1)


def test_the_command_warns_of_values_that_are_no_light(
    scene_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.ones((8, 8, 3), np.float32)
    image[0, 0, :2] = np.nan, np.inf
    monkeypatch.setattr(command, "render_image", lambda *_, **__: image)
    with pytest.warns(UserWarning, match=r"out\.exr: 1 % of its values are NaN or infinite"):
        called(command.render)(scene_file, tmp_path / "out.exr")
    np.testing.assert_array_equal(read_image(tmp_path / "out.exr"), image)
