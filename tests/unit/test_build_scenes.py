"""The script that builds the bundled scenes."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from envmap_inverse.bundled import samples
from envmap_inverse.images import read_image, read_picture
from envmap_inverse.scene.camera_files import read_cameras

SCENES = Path(__file__).parents[2] / "scenes"

Knot = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int32]]


@pytest.fixture(scope="module")
def build() -> dict[str, Any]:
    return runpy.run_path(str(SCENES / "build.py"))


@pytest.fixture(scope="module")
def knot(build: dict[str, Any]) -> Knot:
    found: Knot = build["torus_knot"](windings=(2, 3), segments=(96, 16))
    return found


def test_the_bundled_knot_is_what_the_script_builds(build: dict[str, Any], tmp_path: Path) -> None:
    build["build_knot"](tmp_path / "knot.ply")
    assert (tmp_path / "knot.ply").read_bytes() == (SCENES / "knot" / "knot.ply").read_bytes()


def test_the_knot_is_closed(knot: Knot) -> None:
    faces = knot[2]
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    forward, backward = ({tuple(edge) for edge in way} for way in (edges, edges[:, ::-1]))
    assert len(forward) == len(edges)
    assert forward == backward


def test_the_triangles_of_the_knot_face_outwards_with_its_normals(knot: Knot) -> None:
    vertices, normals, faces = knot
    a, b, c = np.moveaxis(vertices[faces], 1, 0)
    face_normals = np.cross(b - a, c - a)
    assert (np.sum(face_normals * normals[faces[:, 0]], axis=1) > 0).all()
    assert np.sum(a * np.cross(b, c)) > 0


def test_the_normals_of_the_knot_have_length_1(knot: Knot) -> None:
    np.testing.assert_allclose(np.linalg.norm(knot[1], axis=1), 1)


def test_the_knot_lies_at_the_tubes_radius_from_its_curve(knot: Knot) -> None:
    vertices, normals, _ = knot
    curve = (vertices - 0.2 * normals).reshape(96, 16, 3)
    np.testing.assert_allclose(curve, curve[:, :1] + np.zeros((1, 16, 1)), atol=1e-12)
    distance = np.hypot(np.hypot(curve[..., 0], curve[..., 1]) - 0.62, curve[..., 2])
    np.testing.assert_allclose(distance, 0.3)


def test_the_sample_pictures_of_the_knot_are_raw_like_and_go_with_their_cameras() -> None:
    folder = samples("knot")
    cameras = read_cameras(folder / "transforms.json")
    assert [camera.name for camera in cameras] == [
        f"{side}_{shot}.png" for side in ("front", "side") for shot in (0, 1)
    ]
    long, short = (read_picture(folder / camera.name) for camera in cameras[:2])
    assert (long.bit_depth, long.image.shape) == (16, (48, 64, 3))
    steps = long.stored.astype(np.float64) * 4095 / 65535
    np.testing.assert_allclose(steps, np.round(steps), atol=0.04)  # 12 bits in files of 16
    is_knot = read_image(folder / "front_mask.png")[..., 0] > 0
    is_whole = is_knot & (long.image < long.white).all(axis=2)
    assert 0.5 < np.mean(long.image < long.white) < 1
    ratio = short.image[is_whole].sum() / long.image[is_whole].sum()
    assert ratio == pytest.approx(1 / 16, rel=0.01)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 100_000
