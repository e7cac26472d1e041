from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.backend import mi

pytestmark = pytest.mark.slow

Images = NDArray[np.floating]
Differ = Callable[[Images, Images], bool]
MakeScene = Callable[..., ei.Scene]
MakeMap = Callable[..., NDArray[np.float32]]

NUM_IMAGES = 16
SPP = 128


def renderings(scene: ei.Scene, first_seed: int, **options: Any) -> Images:
    seeds = range(first_seed, first_seed + NUM_IMAGES)
    return np.stack([ei.render(scene, spp=SPP, seed=seed, **options) for seed in seeds])


def test_two_stacks_of_one_scene_do_not_differ(
    make_scene: MakeScene, material: str, differ: Differ
) -> None:
    scene = make_scene(material)
    assert not differ(renderings(scene, 0), renderings(scene, 1000))


def test_three_percent_more_light_differs(
    make_scene: MakeScene, material: str, differ: Differ
) -> None:
    scene = make_scene(material)
    brighter = renderings(scene, 1000, texels=1.03 * scene.envmap.texels)
    assert differ(renderings(scene, 0), brighter)


def test_one_texel_that_moves_by_one_column_differs(
    make_scene: MakeScene, material: str, differ: Differ
) -> None:
    scene = make_scene(material)
    texels = np.full((8, 16, 3), 0.2, np.float32)
    texels[3, 5] = 20
    moved = np.roll(texels, 1, axis=1)
    stacks = [renderings(scene, 1000 * k, texels=t) for k, t in enumerate((texels, moved))]
    assert differ(*stacks)


@pytest.mark.parametrize("body", ["conductor", "diffuse"])
def test_a_map_that_was_set_renders_as_mitsuba_renders_its_file(
    scene_file: Path, scene_xml: Callable[..., str], differ: Differ, body: str
) -> None:
    scene_file.write_text(
        scene_xml(f'<shape type="sphere"><bsdf type="{body}" id="matter"/></shape>')
    )
    plain = mi.load_file(str(scene_file))
    theirs = [np.array(mi.render(plain, spp=SPP, seed=seed)) for seed in range(NUM_IMAGES)]
    scene = ei.load_scene(scene_file)
    texels = scene.envmap.texels
    scene.set_envmap(np.ones_like(texels))
    assert differ(np.stack(theirs), renderings(scene, 1000))
    scene.set_envmap(texels)
    assert not differ(np.stack(theirs), renderings(scene, 1000))


def test_renderings_of_a_sum_are_sums_of_renderings(
    make_scene: MakeScene, random_map: MakeMap, material: str, differ: Differ
) -> None:
    scene = make_scene(material)
    first, second = random_map(seed=2), random_map(seed=3)
    parts = renderings(scene, 0, texels=first) + 2 * renderings(scene, 1000, texels=second)
    assert not differ(renderings(scene, 2000, texels=first + 2 * second), parts)


@pytest.mark.parametrize("share", ["some", "all"])
def test_rendering_is_linear_in_negative_values_too(
    make_scene: MakeScene, random_map: MakeMap, material: str, differ: Differ, share: str
) -> None:
    scene = make_scene(material)
    first, second = random_map(seed=2), random_map(seed=3) + (2 if share == "all" else 0)
    parts = renderings(scene, 0, texels=first) - renderings(scene, 1000, texels=second)
    assert not differ(renderings(scene, 2000, texels=first - second), parts)


def test_a_smaller_film_shows_the_same_view(make_scene: MakeScene, differ: Differ) -> None:
    scene = make_scene(size=(16, 8))
    blocks = renderings(scene, 0).reshape(NUM_IMAGES, 4, 2, 8, 2, 3).mean(axis=(2, 4))
    scene.set_film_size(8)
    assert not differ(renderings(scene, 1000), blocks)


def test_the_light_of_a_map_turned_by_a_column_is_the_map_turned(
    make_scene: MakeScene, random_map: MakeMap, material: str, differ: Differ
) -> None:
    texels, turn = random_map(), mi.ScalarTransform4f().rotate([0, 1, 0], 360 / 16)
    emitter = {"type": "envmap", "bitmap": mi.Bitmap(texels), "to_world": turn}
    turned = renderings(make_scene(material, my_envmap=emitter), 0)
    scene = make_scene(material)
    shifts = [renderings(scene, 1000, texels=np.roll(texels, step, axis=1)) for step in (1, -1)]
    assert [differ(turned, shifted) for shifted in shifts].count(False) == 1


def test_texels_light_a_diffuse_floor_by_their_solid_angles(
    make_scene: MakeScene, differ: Differ
) -> None:
    """The radiance of a white floor under one row is that of the cosine-weighted hat function."""
    floor = {
        "type": "rectangle",
        "to_world": mi.ScalarTransform4f().rotate([1, 0, 0], -90).scale(50),
        "bsdf": {"type": "diffuse", "reflectance": {"type": "rgb", "value": [1, 1, 1]}},
    }
    sensor = {
        "type": "perspective",
        "fov": 20,
        "to_world": mi.ScalarTransform4f().look_at([0, 5, 1], [0, 0, 0], [0, 1, 0]),
        "film": {"type": "hdrfilm", "width": 4, "height": 4, "rfilter": {"type": "box"}},
    }
    height, rows = 9, range(4)
    nothing = {"type": "sphere", "center": [0, -100, 0], "radius": 1e-3}
    scene = make_scene(
        texels=np.ones((height, 16, 3), np.float32),
        floor=floor,
        sensor0=sensor,
        large=nothing,
        small=nothing,
    )
    theta = (np.arange(200_000) + 0.5) / 200_000 * np.pi / 2
    for row in rows:
        texels = np.full((height, 16, 3), 1e-3, np.float32)  # not black, or none is sampled
        texels[row] += 1
        hat = np.maximum(0, 1 - np.abs(theta / (np.pi / (height - 1)) - row))
        radiance = 2 * np.mean(hat * np.cos(theta) * np.sin(theta)) * np.pi / 2
        images = renderings(scene, 100 * row, texels=texels)
        assert not differ(images, np.full_like(images, radiance + 1e-3)), row
