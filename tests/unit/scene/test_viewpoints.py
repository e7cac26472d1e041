"""Cameras in front of objects: framing, axes, and what cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import solids
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.scene.cameras import Camera
from envmap_inverse.scene.viewpoints import Viewpoint, is_inside

SIZE = 300, 200
VERTICES, FACES = solids.cube()


def sides(camera: Camera, vertices: NDArray[Any] = VERTICES) -> tuple[float, float, float, float]:
    """Left, top, right and bottom side of the vertices in the picture, in pixels."""
    inside = (vertices - camera.to_world[:3, 3]) @ camera.to_world[:3, :3]
    assert (inside[:, 2] < 0).all()
    x, y = camera.principal_point
    across = inside[:, 0] / -inside[:, 2] * camera.focal_lengths[0] + x
    down = y - inside[:, 1] / -inside[:, 2] * camera.focal_lengths[1]
    return across.min(), down.min(), across.max(), down.max()


@pytest.mark.parametrize("azimuth", [0.0, 33.0, 200.0])
@pytest.mark.parametrize("elevation", [-20.0, 0.0, 60.0])
@pytest.mark.parametrize("fov", [10.0, 40.0, 120.0])
def test_the_object_fills_nine_tenths_of_the_picture(
    azimuth: float, elevation: float, fov: float
) -> None:
    seen = Viewpoint(fov=fov, azimuth=azimuth, elevation=elevation)
    vertices = 5 * VERTICES + 7
    left, top, right, bottom = sides(seen.camera("camera", SIZE, vertices), vertices)
    assert max((right - left) / 300, (bottom - top) / 200) == pytest.approx(0.9)
    assert left >= 15 - 1e-6
    assert right <= 285 + 1e-6
    assert top >= 10 - 1e-6
    assert bottom <= 190 + 1e-6


def test_the_object_fills_the_box_that_is_known() -> None:
    camera = Viewpoint(fov=40, azimuth=45).camera("camera", SIZE, VERTICES, (200, 20, 280, 190))
    left, _, right, _ = sides(camera)
    assert (left, right) == pytest.approx((200, 280))


@pytest.mark.parametrize(
    ("viewpoint", "expected"),
    [
        (Viewpoint(fov=40), (0, 0, 1)),
        (Viewpoint(fov=40, azimuth=90), (1, 0, 0)),
        (Viewpoint(fov=40, elevation=60), (0, np.sqrt(0.75), 0.5)),
        (Viewpoint(fov=40, origin=(5, 0, 0)), (1, 0, 0)),
    ],
)
def test_the_camera_is_on_the_side_that_is_asked_for(
    viewpoint: Viewpoint, expected: tuple[float, ...]
) -> None:
    place = viewpoint.camera("camera", SIZE, VERTICES).to_world[:3, 3]
    np.testing.assert_allclose(place / np.linalg.norm(place), expected, atol=0.06)


def test_where_z_is_up_the_camera_is_at_minus_y() -> None:
    viewpoint = Viewpoint(fov=40, up="z")
    own = viewpoint.upright.T @ viewpoint.camera("camera", SIZE, VERTICES).to_world[:3, :3]
    np.testing.assert_allclose(own, [[1, 0, 0], [0, 0, -1], [0, 1, 0]], atol=1e-12)


def test_a_target_is_in_the_middle_of_the_picture() -> None:
    seen = Viewpoint(fov=40, origin="3/4/5", target="1/-1/1", up="z")
    camera = seen.camera("camera", SIZE, VERTICES @ seen.upright.T)
    target = (seen.upright @ [1, -1, 1] - camera.to_world[:3, 3]) @ camera.to_world[:3, :3]
    np.testing.assert_allclose(target[:2], 0, atol=1e-12)
    assert target[2] < 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"fov": 180}, "fov must be above 0 and below 180 degrees; found 180"),
        ({"elevation": 90}, "elevation between -90 and 90"),
        ({"target": "0/0/0"}, "target needs origin"),
        ({"origin": "0/0/9", "azimuth": 3}, "origin takes the place of azimuth"),
        ({"origin": "0/0"}, "origin must be three numbers, x/y/z; found '0/0'"),
        ({"origin": (1, 2, 3), "target": "1/2/3"}, "the same point"),
        ({"up": "w"}, "up must be three numbers, x/y/z; found 'w'"),
        ({"up": "0/0/0"}, "up must be a direction"),
    ],
)
def test_a_viewpoint_that_cannot_be_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Viewpoint(**{"fov": 40, **values})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"origin": (0, 0, 9), "target": (0, 0, 20)}, "not in the picture: it is behind"),
        ({"origin": (0, 0, 9), "target": (9, 0, 0)}, "not in the picture of 300 x 200 pixels"),
        ({"origin": (0, 0, 0)}, "origin is the middle of the object"),
        ({"origin": (0, 9, 0)}, "looks along up"),
    ],
)
def test_a_picture_without_the_object_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Viewpoint(fov=40, **values).camera("camera", SIZE, VERTICES)


@pytest.mark.parametrize("mesh", [solids.cube(), solids.ball()])
def test_a_place_in_a_closed_surface_is_inside(mesh: solids.Mesh) -> None:
    assert is_inside((0.3, 0.5, -0.2), *mesh)
    assert not is_inside((1.01, 0, 0), *mesh)
    assert not is_inside((0.3, 0.5, -0.2), mesh[0], mesh[1][: len(mesh[1]) // 2])
