from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.backend import mi
from envmap_inverse.images import write_image

MakeScene = Callable[..., ei.Scene]
MakeDict = Callable[..., dict[str, Any]]
MakeXML = Callable[..., str]
MakeMap = Callable[..., NDArray[np.float32]]


@pytest.mark.parametrize(
    ("emitter", "found"),
    [("", "none"), ('<emitter type="constant"/>', "constant")],
)
def test_a_scene_without_an_environment_map_is_refused_with_how_to_add_one(
    scene_file: Path, scene_xml: MakeXML, emitter: str, found: str
) -> None:
    scene_file.write_text(scene_xml(envmap=emitter))
    message = rf"no environment map \(found: {found}\); load_scene\(\.\.\., envmap=\(256, 128\)\)"
    with pytest.raises(ei.InputError, match=message):
        ei.load_scene(scene_file)


@pytest.fixture
def two_maps(scene_dict: MakeDict, random_map: MakeMap) -> dict[str, Any]:
    return scene_dict(other={"type": "envmap", "bitmap": mi.Bitmap(random_map(6, 12, seed=2))})


def test_a_scene_with_two_maps_asks_for_a_name(two_maps: dict[str, Any]) -> None:
    with pytest.raises(ei.InputError, match=r"several .*'my_envmap', 'other'; .*envmap="):
        ei.load_scene(two_maps)


@pytest.mark.parametrize(("name", "resolution"), [("my_envmap", (16, 8)), ("other", (12, 6))])
def test_one_of_two_maps_can_be_chosen(
    two_maps: dict[str, Any], name: str, resolution: tuple[int, int]
) -> None:
    scene = ei.load_scene(two_maps, envmap=name)
    assert (scene.envmap.name, scene.envmap.resolution) == (name, resolution)
    assert len(scene.mi_scene.emitters()) == 1


def test_an_unknown_map_is_refused_with_the_known_ones(two_maps: dict[str, Any]) -> None:
    with pytest.raises(ei.InputError, match=r"no environment map 'third'; .*'my_envmap', 'other'"):
        ei.load_scene(two_maps, envmap="third")


# Sensors and films


def test_a_sensor_that_the_scene_does_not_have_is_refused(scene: ei.Scene) -> None:
    for index in (1, -1):
        with pytest.raises(ei.InputError, match=rf"sensor {index}: the scene has 1 sensor"):
            scene.sensor(index)


@pytest.mark.parametrize(
    ("before", "size", "after"),
    [
        ((8, 8), 32, (32, 32)),
        ((16, 8), 4, (4, 2)),
        ((100, 33), 10, (10, 3)),
        ((8, 16), 8, (4, 8)),
        ((64, 2), 8, (8, 1)),
        ((5, 3), 5, (5, 3)),
    ],
)
def test_the_film_size_is_that_of_the_longer_side(
    make_scene: MakeScene, before: tuple[int, int], size: int, after: tuple[int, int]
) -> None:
    scene = make_scene(size=before)
    scene.set_film_size(size)
    assert scene.film_size() == after
    assert ei.render(scene, spp=1).shape == (after[1], after[0], 3)


@pytest.mark.parametrize(
    ("film", "crop", "offset", "size"),
    [(16, 8, 4, 4), (16, 8, 8, 16), (5, 2, 3, 1), (7, 3, 4, 2), (9, 4, 5, 3), (11, 5, 6, 2)],
)
def test_the_film_size_is_that_of_the_crop_window(
    make_scene: MakeScene, film: int, crop: int, offset: int, size: int
) -> None:
    window = {
        "crop_width": crop,
        "crop_height": crop,
        "crop_offset_x": offset,
        "crop_offset_y": offset,
    }
    scene = make_scene(size=(film, film), film=window)
    assert scene.film_size() == (crop, crop)
    scene.set_film_size(size)
    assert scene.film_size() == (size, size)
    assert ei.render(scene, spp=1).shape == (size, size, 3)


@pytest.mark.parametrize("size", [0, -3])
def test_a_film_without_pixels_is_refused(scene: ei.Scene, size: int) -> None:
    with pytest.raises(ei.InputError, match="size must be at least 1; found"):
        scene.set_film_size(size)


def test_each_sensor_has_its_own_film_size(make_scene: MakeScene) -> None:
    scene = make_scene(cameras=[(0, 0, 4), (4, 0, 0)])
    scene.set_film_size(4, sensor=1)
    assert scene.num_sensors == 2
    assert (scene.film_size(0), scene.film_size(1)) == ((8, 8), (4, 4))


def test_a_scene_can_be_moved_with_its_files(scene_file: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(scene_file.parent, moved)
    write_image(moved / "map.exr", np.ones((4, 6, 3)))
    assert ei.load_scene(moved / "scene.xml").envmap.resolution == (6, 4)
    assert ei.load_scene(scene_file).envmap.resolution == (16, 8)


def test_a_scene_loads_on_a_single_core() -> None:
    """Mitsuba's loader waits for ever in a pool of one thread."""
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "import envmap_inverse as ei; from envmap_inverse.bundled import bunny\n"
        "print(ei.load_scene(bunny()).num_sensors)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "1\n", done.stderr
