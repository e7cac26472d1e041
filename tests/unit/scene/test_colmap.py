from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np
import pytest

from envmap_inverse.errors import InputError
from envmap_inverse.scene.camera_files import read_cameras

CAMERA_LINE = "1 PINHOLE 32 24 20 20 16 12"
IMAGE_LINE = "1 1 0 0 0 0.5 0.25 4 1 a.png"


def write_colmap(folder: Path, camera: str = CAMERA_LINE, images: str = IMAGE_LINE + "\n") -> Path:
    (folder / "cameras.txt").write_text(f"# Camera list\n{camera}\n")
    (folder / "images.txt").write_text(f"# Image list\n{images}\n")
    return folder


def error_of(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_cameras(path)
    (line,) = str(caught.value).splitlines()
    return line


@pytest.mark.parametrize("name", ["", "cameras.txt", "images.txt"])
def test_a_colmap_model_is_a_camera_per_image(tmp_path: Path, name: str) -> None:
    images = "9 1 0 0 0 0 0 4 2 sub folder/b.png\n1 2 -1 3 4 8\n" + IMAGE_LINE + "\n"
    cameras = CAMERA_LINE + "\n2 SIMPLE_PINHOLE 8 6 5 4.5 3\n"
    second, first = read_cameras(write_colmap(tmp_path, cameras, images) / name)
    assert (first.name, first.width, first.height) == ("a.png", 32, 24)
    assert (first.focal_lengths, first.principal_point) == ((20, 20), (16, 12))
    assert (second.name, second.width, second.height) == ("sub folder/b.png", 8, 6)
    assert (second.focal_lengths, second.principal_point) == ((5, 5), (4.5, 3))


def test_a_colmap_image_tells_where_the_world_is_from_the_camera(tmp_path: Path) -> None:
    # Half a turn about x: the world's y and z point where OpenGL's camera has them.
    (camera,) = read_cameras(write_colmap(tmp_path, images="1 0 1 0 0 0.5 0.25 4 1 a.png\n"))
    np.testing.assert_allclose(camera.to_world[:3, :3], np.eye(3), atol=1e-15)
    np.testing.assert_allclose(camera.to_world[:3, 3], [-0.5, 0.25, 4], atol=1e-15)


@pytest.mark.parametrize("model", ["SIMPLE_RADIAL 32 24 20 16 12 0", "RADIAL 32 24 20 16 12 0 0"])
def test_a_model_without_its_distortion_is_a_pinhole(tmp_path: Path, model: str) -> None:
    (camera,) = read_cameras(write_colmap(tmp_path, f"1 {model}"))
    assert (camera.focal_lengths, camera.principal_point) == ((20, 20), (16, 12))


@pytest.mark.parametrize(
    ("camera", "message"),
    [
        ("1 PINHOLE 32 24", "expected CAMERA_ID MODEL WIDTH HEIGHT PARAMS"),
        ("1 PINHOLE 32 24 20 16 12", "PINHOLE has the parameters fx, fy, cx, cy; found 3"),
        ("1 PINHOLE 32 24 20 20 x 12", "'x'"),
        ("1 PINHOLE 32.5 24 20 20 16 12", "'32.5'"),
        ("1 BALL 32 24 20", "camera model 'BALL' is not one of SIMPLE_PINHOLE, PINHOLE, .*undist"),
        ("1 OPENCV_FISHEYE 32 24 20 20 16 12 0 0 0 0", "'OPENCV_FISHEYE' is not .*undistorter"),
        (
            "1 OPENCV 32 24 20 20 16 12 0.1 0 0 -0.2",
            r"OPENCV camera is distorted \(k1=0.1, p2=-0.2\), by .*; undistort .*`colmap image",
        ),
    ],
)
def test_a_line_that_is_no_camera(tmp_path: Path, camera: str, message: str) -> None:
    error = error_of(write_colmap(tmp_path, camera))
    assert error.startswith(f"{tmp_path / 'cameras.txt'}: line 2: ")
    assert re.search(message, error)


@pytest.mark.parametrize(
    ("images", "line", "message"),
    [
        ("1 1 0 0 0 0 0 4 1", 2, "expected IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME"),
        ("1 1 0 0 0 0 0 4 5 a.png\n", 2, "there is no camera 5 in the model"),
        ("1 1 1 0 0 0 0 4 1 a.png\n", 2, "not a rotation: its length is not 1"),
        ("1 nan 0 0 0 0 0 4 1 a.png\n", 2, "not a rotation"),
        ("1 1 0 0 0 0 nan 4 1 a.png\n", 2, "camera 'a.png': .*finite"),
        (f"{IMAGE_LINE}\n{IMAGE_LINE}", 3, "not the points of the image above"),
        (f"{IMAGE_LINE}\n1 2", 3, "not the points of the image above"),
    ],
)
def test_a_line_that_is_no_image(tmp_path: Path, images: str, line: int, message: str) -> None:
    error = error_of(write_colmap(tmp_path, images=images))
    assert error.startswith(f"{tmp_path / 'images.txt'}: line {line}: ")
    assert re.search(message, error)


def test_a_model_without_images(tmp_path: Path) -> None:
    assert error_of(write_colmap(tmp_path, images="")).endswith("images.txt: has no images")


def test_a_folder_without_cameras(tmp_path: Path) -> None:
    (tmp_path / "cameras.bin").touch()
    assert re.search("has neither a transforms.json nor .*and images.bin", error_of(tmp_path))


def pack_colmap(
    folder: Path, model: int = 1, parameters: tuple[float, ...] = (20, 20, 16, 12)
) -> None:
    """A binary model of two images, the first with two points."""
    camera = struct.pack("<QIiQQ", 1, 7, model, 32, 24) + struct.pack("<4d", *parameters)
    pose = struct.pack("<7dI", 1, 0, 0, 0, 0.5, 0.25, 4, 7)
    images = struct.pack("<Q", 2)
    for number, name in enumerate((b"a.png", b"sub folder/b.png"), start=1):
        num_points = 2 - number % 2
        images += struct.pack("<I", number) + pose + name + b"\0" + struct.pack("<Q", num_points)
        images += num_points * struct.pack("<ddq", 1, 2, -1)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cameras.bin").write_bytes(camera)
    (folder / "images.bin").write_bytes(images)


@pytest.mark.parametrize("name", ["", "cameras.bin", "images.bin"])
def test_a_binary_colmap_model_is_the_text_model(tmp_path: Path, name: str) -> None:
    pack_colmap(tmp_path / "binary")
    (tmp_path / "text").mkdir()
    (expected,) = read_cameras(write_colmap(tmp_path / "text"))
    first, second = read_cameras(tmp_path / "binary" / name)
    assert (first.name, second.name) == ("a.png", "sub folder/b.png")
    for camera in (first, second):
        assert (camera.width, camera.height) == (32, 24)
        assert camera.focal_lengths == expected.focal_lengths
        assert camera.principal_point == expected.principal_point
        np.testing.assert_array_equal(camera.to_world, expected.to_world)


def test_a_model_is_found_where_colmap_writes_it(tmp_path: Path) -> None:
    pack_colmap(tmp_path / "sparse" / "0")
    assert len(read_cameras(tmp_path)) == 2


@pytest.mark.parametrize("name", ["cameras.bin", "images.bin"])
def test_a_binary_model_that_is_cut_off_is_refused(tmp_path: Path, name: str) -> None:
    pack_colmap(tmp_path)
    whole = (tmp_path / name).read_bytes()
    for length in range(len(whole)):
        (tmp_path / name).write_bytes(whole[:length])
        assert re.search(rf"{name}: .*is cut off, or is not a binary COLMAP", error_of(tmp_path))


@pytest.mark.parametrize(
    ("model", "message"),
    [(5, "camera model 'OPENCV_FISHEYE' is not one of"), (99, "has the unknown number 99")],
)
def test_a_binary_model_of_another_camera_is_refused(
    tmp_path: Path, model: int, message: str
) -> None:
    pack_colmap(tmp_path, model)
    assert re.search(rf"cameras\.bin: camera number 0: .*{message}", error_of(tmp_path))
