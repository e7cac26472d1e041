from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

import envmap_inverse as ei
from envmap_inverse.backend import mi

Write = Callable[[Path], Path]

# Origin, target, up, width, height, fov of the wider axis, shift of the principal point.
SENSORS = [
    ((0.5, 1, 4), (0.1, 0, 0), (0, 1, 0), 16, 16, 50, (0, 0)),
    ((-3, 0.5, 1), (0, 0.2, 0), (0.1, 1, 0), 18, 11, 60, (0.13, -0.07)),
    ((0, 3, -2), (0, 0, 0), (0, 0, 1), 10, 20, 70, (-0.1, 0.05)),
]
POINTS = np.array([(0, 0, 0), (0.3, -0.2, 0.4), (-0.5, 0.6, 0.1)])


@pytest.fixture(scope="module")
def scene(scene_dict: Callable[..., dict[str, Any]]) -> ei.Scene:
    """Mirrors before three sensors, each unlike the others in every respect."""
    described = scene_dict(cameras=())
    for number, (origin, target, up, width, height, fov, shift) in enumerate(SENSORS):
        described[f"sensor{number}"] = {
            "type": "perspective",
            "fov": fov,
            "fov_axis": "larger",
            "principal_point_offset_x": shift[0],
            "principal_point_offset_y": shift[1],
            "to_world": mi.ScalarTransform4f().look_at(origin, target, up),
            "film": {
                "type": "hdrfilm",
                "width": width,
                "height": height,
                "pixel_format": "rgb",
                "rfilter": {"type": "box"},
            },
        }
    return ei.load_scene(described)


def unit(vector: Any) -> NDArray[np.float64]:
    return np.asarray(vector, np.float64) / np.linalg.norm(vector)


def axes(number: int) -> tuple[NDArray[np.float64], ...]:
    """Right, up and forward of a sensor, and where it stands."""
    origin, target, up, *_ = SENSORS[number]
    forward = unit(np.subtract(target, origin))
    right = unit(np.cross(forward, up))
    return right, np.cross(right, forward), forward, np.asarray(origin, np.float64)


def intrinsics(number: int) -> tuple[float, float, float]:
    """Focal length and principal point in pixels."""
    *_, width, height, fov, (dx, dy) = SENSORS[number]
    focal = max(width, height) / 2 / math.tan(math.radians(fov) / 2)
    return focal, (0.5 - dx) * width, (0.5 - dy) * height


def write_transforms(folder: Path) -> Path:
    frames = []
    for number, (*_, width, height, _fov, _shift) in enumerate(SENSORS):
        right, up, forward, origin = axes(number)
        matrix = np.eye(4)
        matrix[:3] = np.stack([right, up, -forward, origin], axis=1)
        focal, cx, cy = intrinsics(number)
        frames.append(
            {
                "file_path": f"./images/{number}.png",
                "transform_matrix": matrix.tolist(),
                "fl_x": focal,
                "cx": cx,
                "cy": cy,
                "w": width,
                "h": height,
            }
        )
    path = folder / "transforms.json"
    path.write_text(json.dumps({"frames": frames}))
    return path


def write_colmap(folder: Path) -> Path:
    cameras, images = ["# CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]"], ["# two lines an image"]
    for number, (*_, width, height, _fov, _shift) in enumerate(SENSORS):
        right, up, forward, origin = axes(number)
        to_camera = np.stack([right, -up, forward])
        x, y, z, w = Rotation.from_matrix(to_camera).as_quat()
        tx, ty, tz = -to_camera @ origin
        focal, cx, cy = intrinsics(number)
        cameras.append(f"{7 + number} PINHOLE {width} {height} {focal} {focal} {cx} {cy}")
        images.append(f"{number + 1} {w} {x} {y} {z} {tx} {ty} {tz} {7 + number} {number}.png")
        images.append("" if number else "1.5 2.5 -1 3.5 4.5 12")
    (folder / "cameras.txt").write_text("\n".join(cameras) + "\n")
    (folder / "images.txt").write_text("\n".join(images) + "\n")
    return folder


@pytest.fixture(params=[write_transforms, write_colmap], ids=["transforms", "colmap"])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file, or folder, of the scene's sensors."""
    return Path(request.param(tmp_path))


@pytest.fixture
def filmed(scene: ei.Scene, written: Path) -> ei.Scene:
    """The scene with the sensors of the file."""
    other = ei.Scene(scene.mi_scene)
    other.set_sensors(ei.read_cameras(written))
    return other


def test_a_camera_of_a_file_takes_the_picture_of_the_sensor_it_describes(
    scene: ei.Scene, filmed: ei.Scene
) -> None:
    assert filmed.num_sensors == len(SENSORS)
    for number in range(len(SENSORS)):
        taken = ei.render(filmed, spp=4, seed=3, sensor=number)
        true = ei.render(scene, spp=4, seed=3, sensor=number)
        assert true.std() > 0.1
        np.testing.assert_allclose(taken, true, rtol=1e-3, atol=1e-4)


def test_a_camera_of_a_file_sees_points_where_a_pinhole_projects_them(filmed: ei.Scene) -> None:
    for number in range(len(SENSORS)):
        right, up, forward, origin = axes(number)
        focal, cx, cy = intrinsics(number)
        away = POINTS - origin
        x = cx + focal * (away @ right) / (away @ forward)
        y = cy - focal * (away @ up) / (away @ forward)
        width, height = filmed.film_size(number)
        position = mi.Point2f(mi.Float(x / width), mi.Float(y / height))
        ray, _ = filmed.sensor(number).sample_ray(0, 0, position, mi.Point2f(0))
        directions = away / np.linalg.norm(away, axis=1, keepdims=True)
        np.testing.assert_allclose(np.array(ray.d).T, directions, atol=1e-5)


def test_the_films_of_a_files_cameras_can_be_resized(filmed: ei.Scene) -> None:
    filmed.set_film_size(36, sensor=1)
    assert [filmed.film_size(number) for number in range(3)] == [(16, 16), (36, 22), (10, 20)]


def test_a_resized_camera_shows_the_same(scene: ei.Scene, filmed: ei.Scene) -> None:
    filmed.set_film_size(36, sensor=1)
    fine = ei.render(filmed, spp=256, sensor=1)
    coarse = fine.reshape(11, 2, 18, 2, 3).mean(axis=(1, 3))
    true = ei.render(scene, spp=1024, sensor=1)
    assert np.abs(coarse - true).mean() < 0.02 * true.mean()


def test_the_scenes_own_sensors_are_replaced(filmed: ei.Scene) -> None:
    with pytest.raises(ei.InputError, match="sensor 3: the scene has 3 sensor"):
        filmed.sensor(3)


def test_no_cameras_are_refused(scene: ei.Scene) -> None:
    with pytest.raises(ei.InputError, match="no cameras"):
        ei.Scene(scene.mi_scene).set_sensors([])


@pytest.mark.parametrize("optimizer", [ei.Adam(iterations=2), ei.Transport(rounds=1)], ids=type)
def test_an_optimizer_takes_the_views_of_a_files_cameras(
    scene: ei.Scene, tmp_path: Path, optimizer: Any
) -> None:
    filmed = ei.Scene(scene.mi_scene)
    filmed.set_sensors(ei.read_cameras(write_colmap(tmp_path)))
    views = [ei.View(ei.render(scene, sensor=number), sensor=number) for number in range(2)]
    own, read = (ei.estimate(s, views, optimizer=optimizer) for s in (scene, filmed))
    np.testing.assert_allclose(read.texels, own.texels, rtol=1e-2, atol=1e-2)
