"""Poses and pictures of cameras, whatever their numbers and names."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from envmap_inverse import Camera, InputError, read_cameras
from envmap_inverse.scene.cameras import match_cameras

Vector = NDArray[np.float64]

coordinates = st.floats(-100, 100)
vectors = st_np.arrays(np.float64, 3, elements=coordinates)
quaternions = st_np.arrays(np.float64, 4, elements=st.floats(-1, 1)).filter(
    lambda q: np.linalg.norm(q) > 0.1
)
names = st.text("abc", min_size=1, max_size=4)
folders = st.sampled_from(["", "left/", "/photos/of a day/"])
endings = st.sampled_from([".png", ".jpg", ".exr"])


def camera(name: str = "a.png", to_world: Vector | None = None) -> Camera:
    return Camera(
        name=name,
        width=4,
        height=3,
        focal_lengths=(4, 4),
        principal_point=(2, 1.5),
        to_world=np.eye(4) if to_world is None else to_world,
    )


def pose(quaternion: Vector, position: Vector) -> Vector:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_quat(quaternion).as_matrix()
    matrix[:3, 3] = position
    return matrix


def read_colmap(quaternion: Vector, translation: Vector) -> Camera:
    """The camera of a COLMAP model of one image, its quaternion (w, x, y, z)."""
    with tempfile.TemporaryDirectory() as folder:
        numbers = " ".join(repr(float(number)) for number in (*quaternion, *translation))
        Path(folder, "cameras.txt").write_text("1 SIMPLE_PINHOLE 4 3 4 2 1.5\n")
        Path(folder, "images.txt").write_text(f"1 {numbers} 1 a.png\n\n")
        (found,) = read_cameras(folder)
    return found


@settings(max_examples=25)
@given(quaternion=quaternions, translation=vectors, point=vectors)
def test_a_colmap_camera_sees_a_point_where_colmap_says(
    quaternion: Vector, translation: Vector, point: Vector
) -> None:
    """COLMAP takes a point X of the world to R X + t, with +y down and +z forwards."""
    w, *xyz = quaternion / np.linalg.norm(quaternion)
    expected = Rotation.from_quat([*xyz, w]).apply(point) + translation
    to_world = read_colmap(np.array([w, *xyz]), translation).to_world
    found = np.linalg.solve(to_world, [*point, 1])
    np.testing.assert_allclose(found, [expected[0], -expected[1], -expected[2], 1], atol=1e-9)


@settings(max_examples=25)
@given(quaternion=quaternions, position=vectors, noise=st_np.arrays(np.float64, (3, 3)))
def test_the_rotation_of_a_pose_is_the_nearest_one(
    quaternion: Vector, position: Vector, noise: Vector
) -> None:
    exact = pose(quaternion, position)
    rounded = exact.copy()
    rounded[:3, :3] += 1e-4 * np.tanh(np.nan_to_num(noise))
    found = camera(to_world=rounded).to_world
    np.testing.assert_allclose(found[:3, :3] @ found[:3, :3].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(found[:3, :3]) == pytest.approx(1)
    np.testing.assert_array_equal(found[:, 3], exact[:, 3])
    distances = [np.linalg.norm(matrix - rounded) for matrix in (found, exact)]
    assert distances[0] <= distances[1] + 1e-12


@settings(max_examples=25)
@given(quaternion=quaternions, factor=st.floats(0.1, 10).filter(lambda x: abs(x - 1) > 0.01))
def test_a_pose_that_scales_or_mirrors_is_refused(quaternion: Vector, factor: float) -> None:
    for scale, words in ((factor, "scales by"), (-1, "mirrors")):
        matrix = pose(quaternion, np.zeros(3)) @ np.diag([scale, scale, scale, 1])
        with pytest.raises(InputError, match=words):
            camera(to_world=matrix)


@settings(max_examples=25)
@given(
    taken=st.lists(names, min_size=1, max_size=6, unique=True),
    order=st.randoms(use_true_random=False),
    where=st.tuples(folders, endings, folders, endings),
)
def test_pictures_find_their_cameras_in_any_order_folder_and_format(
    taken: list[str], order: object, where: tuple[str, str, str, str]
) -> None:
    pictures = list(taken)
    order.shuffle(pictures)  # type: ignore[attr-defined]
    cameras = [camera(f"{where[0]}{name}{where[1]}") for name in taken]
    found = match_cameras(cameras, [f"{where[2]}{name}{where[3]}" for name in pictures])
    assert [taken[index] for index in found] == pictures


@settings(max_examples=25)
@given(num_cameras=st.integers(1, 5), pictures=st.lists(names, max_size=5))
def test_without_a_name_in_common_each_camera_has_one_picture(
    num_cameras: int, pictures: list[str]
) -> None:
    cameras = [camera(f"camera {number}.png") for number in range(num_cameras)]
    if num_cameras == 1 and pictures:  # all are of the only camera
        assert match_cameras(cameras, pictures) == [0] * len(pictures)
    elif len(pictures) == num_cameras:
        with pytest.warns(UserWarning, match="they are matched in order"):
            assert match_cameras(cameras, pictures) == list(range(num_cameras))
    else:
        with pytest.raises(InputError, match="no name in common"):
            match_cameras(cameras, pictures)
