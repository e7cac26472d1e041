"""The scene of a mirror ball: geometry, orientation, masks, reflectance."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.backend import mi
from envmap_inverse.bundled import map_file
from envmap_inverse.errors import InputError
from envmap_inverse.metrics import log_rmse
from envmap_inverse.scene.ball import BallShot, ball_scene, conductor
from envmap_inverse.scene.xml_writing import scene_xml
from envmap_inverse.sphere.circles import Circle
from envmap_inverse.sphere.latlong import resample, uv_to_direction
from envmap_inverse.sphere.unwrapping import Disc, merged, unwrap

CIRCLE = Circle(x=20.3, y=19.6, radius=16.4)


def rendered(shot: BallShot, texels: NDArray[Any], reflectance: str = "0.9") -> NDArray[np.float32]:
    light = {"type": "envmap", "bitmap": mi.Bitmap(texels)}
    scene = ei.load_scene({**ball_scene(conductor(reflectance)), "light": light})
    scene.set_sensors([shot.camera("camera")])
    return ei.render(scene, spp=64, seed=1)


def lamp(row: int, column: int) -> NDArray[np.float32]:
    texels = np.full((32, 64, 3), 0.05, np.float32)
    texels[row, column] = 50
    return texels


@pytest.fixture(autouse=True)
def _backend() -> None:
    ei.backend.select_variant()


@pytest.mark.parametrize("distance", [3.0, 20.0])
def test_the_ball_fills_its_outline(distance: float) -> None:
    shot = BallShot.at_distance((40, 40), CIRCLE, distance)
    image = rendered(shot, np.ones((4, 8, 3), np.float32))
    area = float(image.sum()) / 3 / 0.9
    assert area == pytest.approx(math.pi * CIRCLE.radius**2, rel=0.01)
    rows, columns = np.nonzero(image[..., 0] > 0.45)
    assert columns.mean() + 0.5 + shot.window.x == pytest.approx(CIRCLE.x, abs=0.15)
    assert rows.mean() + 0.5 + shot.window.y == pytest.approx(CIRCLE.y, abs=0.15)


def test_a_ball_beside_the_axis_is_where_it_is_in_the_whole_picture() -> None:
    circle = Circle(x=60, y=20, radius=9)
    shot = BallShot.of_whole_picture((80, 60), circle, 100.0)
    image = rendered(shot, np.ones((4, 8, 3), np.float32))
    rows, columns = np.nonzero(image[..., 0] > 0.45)
    assert columns.mean() + 0.5 + shot.window.x == pytest.approx(60, abs=0.2)
    assert rows.mean() + 0.5 + shot.window.y == pytest.approx(20, abs=0.2)
    assert shot.distance == pytest.approx(1 / math.sin(math.atan(9 / 100)), rel=0.06)


@pytest.mark.parametrize(("front", "column"), [(0.0, 0), (90.0, 16), (-45.0, 56)])
def test_light_from_behind_the_camera_is_in_the_middle_of_the_ball(
    front: float, column: int
) -> None:
    # The camera looks at the map's middle, and so many degrees to the right of it: what is behind
    # it is half a turn away.
    shot = BallShot.at_distance((40, 40), CIRCLE, 20.0, front=front)
    light = lamp(16, column)
    light[16, column - 1] = 50  # columns are centred on half texels
    image = rendered(shot, light)
    row, found = np.unravel_index(int(image[..., 0].argmax()), image.shape[:2])
    assert abs(found + 0.5 + shot.window.x - CIRCLE.x) < 1.5
    assert abs(row + 0.5 + shot.window.y - CIRCLE.y) < 1.5


def test_light_at_the_cameras_right_is_at_the_balls_right_and_at_the_maps() -> None:
    # A quarter of a turn to the right of the middle of the map.
    shot = BallShot.at_distance((40, 40), CIRCLE, 20.0)
    image = rendered(shot, lamp(16, 48))
    _, column = np.unravel_index(int(image[..., 0].argmax()), image.shape[:2])
    right = (column + 0.5 + shot.window.x - CIRCLE.x) / CIRCLE.radius
    assert right == pytest.approx(math.sqrt(0.5), abs=0.06)


@pytest.mark.parametrize("front", [0.0, 90.0])
def test_the_unwrapping_puts_a_lamp_where_it_is(front: float) -> None:
    shot = BallShot.at_distance((40, 40), CIRCLE, 50.0, front=front)
    image = np.zeros((40, 40, 3), np.float32)
    shot.window.of(image)[:] = rendered(shot, lamp(10, 20))
    disc = Disc(image=image, is_clipped=np.zeros(image.shape, bool), circle=CIRCLE)
    texels = unwrap(merged([disc], [1.0]), 32, 64, shot.turn())
    row, column = np.unravel_index(int(texels[..., 0].argmax()), texels.shape[:2])
    assert abs(row - 10) <= 1
    assert abs(column - 20) <= 2


def test_a_bracket_is_merged_from_what_is_not_clipped() -> None:
    radiance = np.full((40, 40, 3), 3.0, np.float32)
    clipped = Disc(image=radiance / 3, is_clipped=np.ones(radiance.shape, bool), circle=CIRCLE)
    free = Disc(image=radiance, is_clipped=np.zeros(radiance.shape, bool), circle=CIRCLE)
    np.testing.assert_allclose(merged([clipped, free], [1, 0.25]), 3, rtol=1e-5)


def test_the_photographer_is_a_disc_of_directions_round_the_camera() -> None:
    shot = BallShot.at_distance((40, 40), CIRCLE, 1000.0)
    hole = shot.mask(0.0).sum() - shot.mask(40.0).sum()
    # Light from t degrees beside the camera is mirrored at sin(t / 2) of the radius, from afar.
    expected = math.pi * (CIRCLE.radius * math.sin(math.radians(20))) ** 2
    assert hole == pytest.approx(expected, rel=0.1)


def test_the_xml_is_the_same_scene(tmp_path: Any) -> None:
    shot = BallShot.at_distance((40, 40), CIRCLE, 20.0, front=30)
    texels = np.random.default_rng(1).uniform(0.1, 1, (8, 16, 3)).astype(np.float32)
    expected = rendered(shot, texels, "0.8")
    path = tmp_path / "scene.xml"
    path.write_text(scene_xml(ball_scene(conductor("0.8")), [shot.camera("camera")]))
    scene = ei.load_scene(path, envmap=(16, 8))
    scene.set_envmap(texels)
    np.testing.assert_allclose(ei.render(scene, spp=64, seed=1), expected, atol=2e-3)


def test_the_map_is_nearer_to_the_truth_than_the_unwrapping() -> None:
    truth = resample(ei.read_image(map_file("windows")), 24, 48).astype(np.float32)
    circle = Circle(x=31.7, y=32.4, radius=28.3)
    shot = BallShot.at_distance((64, 64), circle, 8.0)
    image = np.random.default_rng(2).uniform(0, 1, (64, 64, 3)).astype(np.float32)
    ball, background = rendered(shot, truth), shot.window.of(image)
    background[:] = np.where(shot.mask(0.0, 0.0)[:, :, None] > 0, ball, background)
    scene = ei.load_scene(ball_scene(conductor("0.9")), envmap=(48, 24))
    scene.set_sensors([shot.camera("camera")])
    found = ei.estimate(scene, ei.View(background, mask=shot.mask())).texels
    disc = Disc(image=image / 0.9, is_clipped=np.zeros(image.shape, bool), circle=circle)
    plain = unwrap(merged([disc], [1.0]), 24, 48, shot.turn())
    assert log_rmse(found, truth) < 0.8 * log_rmse(plain, truth)


def test_the_normals_are_those_of_the_rendered_ball() -> None:
    # A diffuse ball under a small lamp is as bright as the cosine to its normals.
    shot = BallShot.at_distance((40, 40), CIRCLE, 6.0, front=30)
    light = {"type": "envmap", "bitmap": mi.Bitmap(np.maximum(lamp(10, 12) - 0.05, 0))}
    white = {"type": "diffuse", "reflectance": {"type": "rgb", "value": 0.5}}
    scene = ei.load_scene({**ball_scene(white), "light": light})
    scene.set_sensors([shot.camera("camera")])
    image = ei.render(scene, spp=1024, seed=1)[..., 0]
    towards = uv_to_direction(12.5 / 64, 10 / 31)
    cosines = np.maximum(shot.normals() @ towards, 0)
    inside = shot.mask() > 0
    assert np.corrcoef(image[inside], cosines[inside])[0, 1] > 0.999
    np.testing.assert_allclose(np.linalg.norm(shot.normals(), axis=2), 1)


def test_a_metal_is_known_by_its_name() -> None:
    assert conductor("Cr") == {"type": "conductor", "material": "Cr"}


@pytest.mark.parametrize("wrong", ["0", "1.5", "nan", "chromium"])
def test_a_reflectance_that_cannot_be_is_refused(wrong: str) -> None:
    with pytest.raises(InputError, match=f"--reflectance .?{wrong}"):
        conductor(wrong)


def test_directions_are_mirrored_where_a_lamp_in_them_is_seen() -> None:
    turned = (0.1, -1.2, -0.2)
    shot = replace(BallShot.at_distance((60, 60), Circle(x=30, y=31, radius=25), 5), turned=turned)
    light = lamp(12, 20)
    light[12, 19] = 50
    image = rendered(shot, light)
    x, y, cosine = shot.mirrored(uv_to_direction(20 / 64, 12 / 31))
    assert cosine > 0.3
    row, column = np.unravel_index(int(image[..., 0].argmax()), image.shape[:2])
    assert (column + 0.5, row + 0.5) == (pytest.approx(x, abs=1.1), pytest.approx(y, abs=1.1))


def test_what_is_opposite_to_the_camera_is_mirrored_at_the_rim() -> None:
    shot = BallShot.at_distance((60, 60), Circle(x=30, y=31, radius=25), 20)
    x, y, cosine = shot.mirrored(np.array([shot.towards_camera, -shot.towards_camera + 1e-3]))
    assert cosine[0] == pytest.approx(1)
    assert cosine[1] < 0.06
    assert (x[0], y[0]) == pytest.approx((shot.in_window.x, shot.in_window.y), abs=1e-6)
