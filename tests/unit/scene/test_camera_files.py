from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from envmap_inverse.errors import InputError
from envmap_inverse.scene.camera_files import SOURCES, Source, read_cameras
from envmap_inverse.scene.cameras import Camera, match_cameras

QUARTER_TURN = [[0, 0, 1, 2], [0, 1, 0, 3], [-1, 0, 0, 4], [0, 0, 0, 1]]
FRAME = {"file_path": "images/a.png", "transform_matrix": QUARTER_TURN}
SHARED = {"fl_x": 20.0, "w": 32, "h": 24}


def write_frames(folder: Path, *frames: Any, **shared: Any) -> Path:
    path = folder / "transforms.json"
    path.write_text(json.dumps({**shared, "frames": frames}))
    return path


def named(*names: str) -> list[Camera]:
    return [
        Camera(
            name=name,
            width=4,
            height=4,
            focal_lengths=(4, 4),
            principal_point=(2, 2),
            to_world=np.eye(4),
        )
        for name in names
    ]


def error_of(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_cameras(path)
    (line,) = str(caught.value).splitlines()
    return line


# Every source


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_source_finds_nothing_where_nothing_is(source: Source, tmp_path: Path) -> None:
    (tmp_path / "photo.png").touch()
    assert source.find(tmp_path) is None
    assert source.find(tmp_path / "photo.png") is None


def test_a_file_of_no_source_is_refused_with_all_of_them(tmp_path: Path) -> None:
    (tmp_path / "photo.png").touch()
    error = error_of(tmp_path / "photo.png")
    assert all(source.name in error for source in SOURCES)


# transforms.json


def test_a_frame_is_a_camera(tmp_path: Path) -> None:
    (camera,) = read_cameras(write_frames(tmp_path, FRAME, **SHARED, fl_y=20.02, cx=15, cy=11))
    assert (camera.name, camera.width, camera.height) == ("a.png", 32, 24)
    assert (camera.focal_lengths, camera.principal_point) == ((20, 20.02), (15, 11))
    np.testing.assert_allclose(camera.to_world, QUARTER_TURN, atol=1e-15)


def test_a_folder_stands_for_the_file_in_it(tmp_path: Path) -> None:
    write_frames(tmp_path, FRAME, **SHARED)
    assert [camera.name for camera in read_cameras(tmp_path)] == ["a.png"]


def test_the_field_of_view_gives_the_focal_length(tmp_path: Path) -> None:
    angle = 2 * math.atan(16 / 20)
    (camera,) = read_cameras(write_frames(tmp_path, FRAME, camera_angle_x=angle, w=32.0, h=24))
    assert camera.focal_lengths == pytest.approx((20, 20))
    assert camera.principal_point == (16, 12)


def test_both_fields_of_view_give_both_focal_lengths(tmp_path: Path) -> None:
    angles = {"camera_angle_x": 2 * math.atan(16 / 20), "camera_angle_y": 2 * math.atan(12 / 20.05)}
    (camera,) = read_cameras(write_frames(tmp_path, FRAME, w=32, h=24, **angles))
    assert camera.focal_lengths == pytest.approx((20, 20.05))


@pytest.mark.parametrize("own", [{"fl_x": 30}, {"camera_angle_x": 2 * math.atan(16 / 30)}])
def test_what_a_frame_says_comes_first(tmp_path: Path, own: dict[str, float]) -> None:
    path = write_frames(tmp_path, FRAME, {**FRAME, **own, "cx": 14}, **SHARED)
    first, second = read_cameras(path)
    assert (first.focal_lengths, first.principal_point) == ((20, 20), (16, 12))
    assert second.focal_lengths == pytest.approx((30, 30))
    assert second.principal_point == (14, 12)


@pytest.mark.parametrize("file_path", ["./train/r_0", "./train/r_0.png"])
def test_the_picture_tells_a_size_that_the_file_does_not(tmp_path: Path, file_path: str) -> None:
    (tmp_path / "train").mkdir()
    Image.new("RGBA", (6, 5)).save(tmp_path / "train" / "r_0.png")
    first, second = {**FRAME, "file_path": file_path}, {**FRAME, "file_path": "./train/r_1"}
    cameras = read_cameras(write_frames(tmp_path, first, second, camera_angle_x=0.7))
    assert [camera.name for camera in cameras] == ["r_0.png", "r_1.png"]
    assert [(camera.width, camera.height) for camera in cameras] == [(6, 5), (6, 5)]


def test_a_matrix_with_rounded_numbers_becomes_a_rotation(tmp_path: Path) -> None:
    turn = np.round(np.array([[0.8, -0.6, 0, 1], [0.6, 0.8, 0, 2], [0, 0, 1, 3]]) / 1.0003, 4)
    path = write_frames(tmp_path, {**FRAME, "transform_matrix": turn.tolist()}, **SHARED)
    rotation = read_cameras(path)[0].to_world[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(rotation[:2, :2], [[0.8, -0.6], [0.6, 0.8]], atol=1e-4)


def changed(**values: Any) -> dict[str, Any]:
    return {**FRAME, **values}


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"transform_matrix": QUARTER_TURN}, "frame 0: has no file_path"),
        ({"file_path": "a.png"}, "frame 0: has no transform_matrix"),
        (7, "frame 0: .*mapping"),
        (changed(file_path=3), "frame 0: .*str"),
        (changed(fl_x="wide"), "frame 0: .*'wide'"),
        (
            changed(fl_x=-2),
            r"frame 0: camera 'a.png': its focal lengths -2 and -2 are not positive",
        ),
        (changed(cx=math.nan), r"frame 0: camera 'a.png': its principal point .* is not finite"),
        (changed(cx=1e39), r"frame 0: camera 'a.png': its principal point .* is not finite"),
        (changed(fl_x=1e-20), "its angle of 180 degrees .focal length 1e-20. is impossible"),
        (changed(fl_x=1e300), "its angle of .*e-297 degrees .* is impossible"),
        (changed(camera_angle_x=50), "frame 0: camera angles are in radians, .*; found 50"),
        (changed(w=0), "frame 0: camera 'a.png': its picture has 0 x 24 pixels"),
        (changed(w=2**31), "frame 0: camera 'a.png': its picture has 2147483648 x 24 pixels"),
        (changed(w=32.5), "frame 0: w and h are whole numbers of pixels; found 32.5"),
        (changed(w=math.inf), "frame 0: a number is too large"),
        (changed(fl_y=25), r"focal lengths 20 and 25\).* one focal length, .* to 32 x 19"),
        (
            changed(k1=0.1),
            r"its OPENCV camera is distorted \(k1=0.1\), by up to 2 pixels; undistort .*colmap",
        ),
        (changed(is_fisheye=True), "camera model 'fisheye' is not one of .*PINHOLE.*; undistort"),
        (changed(camera_model="OPENCV_FISHEYE"), "camera model 'OPENCV_FISHEYE' is not one of"),
        (changed(transform_matrix=[[math.nan] * 4] * 4), "not 4 x 4 finite numbers"),
        (changed(transform_matrix=[*QUARTER_TURN[:2], [-1, 0, 0, 1e39]]), "not 4 x 4 finite"),
        (changed(transform_matrix=[[1, 0], [0, 1]]), "not 4 x 4 finite numbers"),
        (changed(transform_matrix=[[1, 0], [0]]), "frame 0: .*"),
        (changed(transform_matrix=np.diag([2, 2, 2, 1]).tolist()), "it scales by 2 to 2"),
        (changed(transform_matrix=np.diag([1, 1, -1, 1]).tolist()), "it mirrors"),
        (changed(transform_matrix=np.zeros((4, 4)).tolist()), "it scales by 0 to 0"),
    ],
)
def test_a_frame_that_is_no_camera(tmp_path: Path, frame: Any, message: str) -> None:
    path = write_frames(tmp_path, frame, **SHARED)
    error = error_of(path)
    assert error.startswith(f"{path}: frame 0: ")
    assert re.search(message, error)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"frames": [', "not JSON: "),
        ("[" * 100_000, "not JSON: "),
        ("3", "has no frames"),
        ("{}", "has no frames"),
        ('{"frames": []}', "has no frames"),
        ('{"frames": 3}', "has no frames"),
    ],
)
def test_a_file_that_is_no_list_of_frames(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "transforms.json"
    path.write_text(text)
    assert error_of(path).startswith(f"{path}: {message}")


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "transforms.json"
    path.write_bytes(b"\xff\xfe\x00")
    assert error_of(path) == f"{path}: not a text file"


def test_no_field_of_view(tmp_path: Path) -> None:
    path = write_frames(tmp_path, FRAME, w=32, h=24)
    assert error_of(path).endswith("frame 0: has neither fl_x nor camera_angle_x")


def test_no_size_and_no_picture_to_tell_it(tmp_path: Path) -> None:
    line = error_of(write_frames(tmp_path, FRAME, fl_x=20))
    assert re.search(r"no w and h, nor .*images/a\.png to take them from; add w and h", line)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file or folder of cameras"):
        read_cameras(tmp_path / "transforms.json")


SWAP = [[1, 0, 0, 0.5], [0, 0, 1, -1], [0, -1, 0, 2]]
"""As nerfstudio applies to COLMAP's poses."""


def test_an_applied_transform_is_undone(tmp_path: Path) -> None:
    applied = np.vstack([SWAP, [0, 0, 0, 1]])
    matrix = applied @ QUARTER_TURN
    matrix[:3, 3] *= 3
    shared = {**SHARED, "applied_transform": SWAP, "applied_scale": 3}
    path = write_frames(tmp_path, changed(transform_matrix=matrix.tolist()), **shared)
    with pytest.warns(UserWarning, match="applied_transform is undone"):
        (camera,) = read_cameras(path)
    np.testing.assert_allclose(camera.to_world, QUARTER_TURN, atol=1e-12)


@pytest.mark.parametrize(
    ("applied", "message"),
    [([[1, 0], [0, 1]], "is not 3 x 4"), (np.zeros((3, 4)).tolist(), "has no inverse")],
)
def test_an_applied_transform_that_cannot_be_undone_is_refused(
    tmp_path: Path, applied: Any, message: str
) -> None:
    path = write_frames(tmp_path, FRAME, **SHARED, applied_transform=applied)
    assert error_of(path).startswith(f"{path}: applied_transform: {message}")


def test_every_key_that_is_not_understood_is_named(tmp_path: Path) -> None:
    frame = changed(mask_path="m.png", sharpness=3)
    path = write_frames(tmp_path, frame, **SHARED, aabb_scale=16, rolling_shutter=[0, 0, 1])
    with pytest.warns(UserWarning, match=r"not understood: mask_path, rolling_shutter$"):
        read_cameras(path)


@pytest.mark.parametrize(
    "distortion",
    [
        {"distortion_params": [0.1, 0, 0, 0, 0, 0]},
        {"distortion_params": [0, 0, 0, 0, 0, 0.1]},
        {"distortion_params": [0, 0, 0.1, 0]},
        {"k": 0.1},
    ],
)
def test_distortion_of_any_spelling_is_refused(tmp_path: Path, distortion: dict[str, Any]) -> None:
    path = write_frames(tmp_path, changed(**distortion), **SHARED)
    assert re.search(r"camera is distorted \([kp][12]=0.1\)", error_of(path))


@pytest.mark.parametrize("share", [0.9, 1.1])
def test_distortion_that_moves_no_pixel_noticeably_is_accepted(
    tmp_path: Path, share: float
) -> None:
    """A corner at (0.8, 0.6) and depth 1, 20 pixels from the centre, moves by 20 k1 pixels."""
    path = write_frames(tmp_path, changed(k1=share * 0.05 / 20), **SHARED)
    if share < 1:
        assert len(read_cameras(path)) == 1
    else:
        assert re.search(r"by up to 0\.055 pixels; undistort", error_of(path))


# Pictures


def test_pictures_are_matched_by_name() -> None:
    cameras = named("images/a.png", "b.jpg", "c.jpg")
    assert match_cameras(cameras, ["photos/c.exr", "a.png", "c.jpg"]) == [2, 0, 2]


def test_pictures_of_other_names_are_matched_by_order() -> None:
    with pytest.warns(UserWarning, match=r"\(y.png, a.png\): they are matched in order"):
        assert match_cameras(named("a.png", "b.png"), ["y.png", "x.png"]) == [0, 1]


@pytest.mark.parametrize("ending", ["", ".png"])
def test_numbers_after_a_dot_are_no_ending(tmp_path: Path, ending: str) -> None:
    frames = [changed(file_path=f"images/frame.{number}{ending}") for number in ("0010", "0009")]
    cameras = read_cameras(write_frames(tmp_path, *frames, **SHARED))
    assert match_cameras(cameras, ["frame.0009.exr", "frame.0010.exr"]) == [1, 0]


def test_a_camera_may_have_a_name_without_ending() -> None:
    cameras = named("shot.v2", "shot.v1")
    assert match_cameras(cameras, ["shot.v1.png", "shot.v2.png"]) == [1, 0]


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        (["x.png", "y.png", "z.png"], "^z.png: has no camera: 3 pictures, 2 cameras"),
        (["x.png"], r"^camera 1 \(b.png\) has no picture: 1 pictures, 2 cameras"),
        (["a.png", "z.png"], "^z.png: none of the 2 cameras took a picture named 'z'"),
    ],
)
def test_a_picture_or_a_camera_that_is_left_over(pictures: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        match_cameras(named("a.png", "b.png"), pictures)


def test_a_picture_of_two_cameras() -> None:
    with pytest.raises(InputError, match=r"a\.png: 2 of the 2 cameras took a picture named 'a'"):
        match_cameras(named("left/a.png", "right/a.png"), ["a.png"])
