"""Films of another size show the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.backend import mi
from envmap_inverse.problem.fitting import area_mean, fit_films
from envmap_inverse.scene.films import scaled_size

MakeScene = Callable[..., ei.Scene]

SPP = 64


def window(left: int, top: int, width: int, height: int) -> dict[str, int]:
    return {
        "crop_offset_x": left,
        "crop_offset_y": top,
        "crop_width": width,
        "crop_height": height,
    }


def rays(scene: ei.Scene, across: NDArray[np.float64]) -> NDArray[np.float64]:
    """Origins and directions of rays at places of the image, (n, 2) from 0 to 1; shape (n, 6)."""
    x, y = across.T
    ray, _ = scene.sensor().sample_ray(0.0, 0.5, mi.Point2f(x, y), mi.Point2f(0.5, 0.3))
    return np.concatenate(np.broadcast_arrays(np.array(ray.o), np.array(ray.d))).T


def directions(scene: ei.Scene, across: NDArray[np.float64]) -> NDArray[np.float64]:
    """Directions of the rays at places of the image, (n, 2) from 0 to 1; shape (n, 3)."""
    return rays(scene, across)[:, 3:]


GRID = np.stack(np.meshgrid([0.0, 0.3, 0.5, 1.0], [0.0, 0.2, 0.5, 1.0]), axis=-1).reshape(-1, 2)
LEVEL = np.array([[0.0, 0.5], [0.25, 0.5], [1.0, 0.5]])


@pytest.mark.parametrize(
    ("film", "crop", "size"),
    [
        ((30, 20), window(0, 0, 30, 20), (9, 6)),
        ((100, 100), window(31, 17, 36, 24), (9, 6)),
        ((9, 7), window(4, 3, 5, 4), (50, 40)),
        ((16, 16), window(0, 8, 16, 8), (4, 2)),
    ],
)
@pytest.mark.parametrize("offset", [0.0, 0.15])
def test_a_crop_window_shows_the_same_at_every_size(
    make_scene: MakeScene,
    film: tuple[int, int],
    crop: dict[str, int],
    size: tuple[int, int],
    offset: float,
) -> None:
    scene = make_scene(size=film, film=crop)
    params = mi.traverse(scene.sensor())
    params["principal_point_offset_x"], params["principal_point_offset_y"] = offset, -offset
    params.update()
    before = directions(scene, GRID)
    scene.set_film_size(size)
    assert scene.film_size() == size
    np.testing.assert_allclose(directions(scene, GRID), before, atol=3e-6)


@pytest.mark.parametrize("size", [(16, 10), (10, 16), (12, 12)])
def test_a_film_of_another_aspect_keeps_the_horizontal_field_and_the_axis(
    make_scene: MakeScene, size: tuple[int, int]
) -> None:
    scene = make_scene(size=(12, 12))
    params = mi.traverse(scene.sensor())
    params["principal_point_offset_x"], params["principal_point_offset_y"] = 0.1, -0.2
    params.update()
    before = directions(scene, LEVEL)
    scene.set_film_size(size)
    np.testing.assert_allclose(directions(scene, LEVEL), before, atol=3e-6)
    # A pixel stays square: one to the right turns as far as one down, seen from the axis.
    width, height = size
    x, y = mi.traverse(scene.sensor())["principal_point_offset_x"][0], 0.0
    y = mi.traverse(scene.sensor())["principal_point_offset_y"][0]
    axis = np.array([0.5 - x, 0.5 - y])
    at_axis, right, down = directions(
        scene, axis + np.array([[0, 0], [1 / width, 0], [0, 1 / height]])
    )
    assert at_axis @ right == pytest.approx(at_axis @ down, abs=1e-6)


def test_a_film_of_another_aspect_is_as_if_the_scene_had_been_written_with_it(
    make_scene: MakeScene,
) -> None:
    changed, written = make_scene(size=(12, 12)), make_scene(size=(16, 10))
    changed.set_film_size((16, 10))
    np.testing.assert_array_equal(ei.render(changed, spp=4), ei.render(written, spp=4))


def test_a_smaller_film_sees_the_mean_of_what_a_larger_one_sees(make_scene: MakeScene) -> None:
    scene = make_scene(size=(24, 24), film=window(3, 5, 18, 12))
    large = ei.render(scene, spp=SPP)
    scene.set_film_size((6, 4))
    small = ei.render(scene, spp=9 * SPP)
    np.testing.assert_allclose(small, area_mean(large, 6, 4), rtol=0.1, atol=0.02)


LENS = {"type": "thinlens", "aperture_radius": 0.1, "focus_distance": 4.0, "fov": 40}
ORTHOGRAPHIC = {"type": "orthographic"}
LOOK = ((0, 0, 4), (0, 0, 0), (0, 1, 0))


def with_window(make_scene: MakeScene, sensor: dict[str, Any], crop: dict[str, int]) -> ei.Scene:
    """A scene seen through a window of a film of 30 x 20 pixels."""
    film = {"type": "hdrfilm", "width": 30, "height": 20, "rfilter": {"type": "box"}, **crop}
    turn = mi.ScalarTransform4f().look_at(*LOOK).scale([1.5, 1.5, 1])
    if sensor["type"] == "thinlens":
        turn = mi.ScalarTransform4f().look_at(*LOOK)
    return make_scene(sensor0={**sensor, "film": film, "to_world": turn})


@pytest.mark.parametrize(
    ("sensor", "crop", "size"),
    [
        (ORTHOGRAPHIC, window(7, 3, 18, 12), (5, 3)),
        (ORTHOGRAPHIC, window(7, 3, 18, 12), (4, 4)),
        (LENS, window(6, 4, 18, 12), (5, 3)),
        (LENS, window(3, 7, 18, 12), (9, 6)),
        (LENS, window(6, 1, 12, 12), (8, 6)),
    ],
)
def test_windows_of_sensors_without_a_principal_point_show_the_same_at_every_size(
    make_scene: MakeScene, sensor: dict[str, Any], crop: dict[str, int], size: tuple[int, int]
) -> None:
    scene = with_window(make_scene, sensor, crop)
    before = rays(scene, LEVEL)
    scene.set_film_size(size)
    assert scene.film_size() == size
    np.testing.assert_allclose(rays(scene, LEVEL), before, atol=3e-6)


@pytest.mark.parametrize("sensor", [ORTHOGRAPHIC, LENS])
def test_smaller_windows_see_the_mean_of_what_larger_ones_see(
    make_scene: MakeScene, sensor: dict[str, Any]
) -> None:
    scene = with_window(make_scene, sensor, window(3, 7, 18, 12))
    large = ei.render(scene, spp=4 * SPP)
    scene.set_film_size((9, 6))
    small = ei.render(scene, spp=16 * SPP)
    np.testing.assert_allclose(small, area_mean(large, 9, 6), rtol=0.1, atol=0.02)


def test_a_thin_lens_is_not_moved_by_a_part_of_a_pixel(make_scene: MakeScene) -> None:
    scene = with_window(make_scene, LENS, window(3, 7, 18, 12))
    with pytest.raises(ei.InputError, match=r"cannot be shown at 8 x 5 .*; ask for 6 x 4"):
        scene.set_film_size((8, 5))


def test_pictures_of_a_thin_lens_are_averaged_down_to_a_size_that_shifts_nothing(
    make_scene: MakeScene,
) -> None:
    scene = with_window(make_scene, LENS, window(3, 7, 18, 12))
    views = (ei.View(np.ones((12, 18, 3), np.float32), name="photo.exr"),)
    with pytest.warns(UserWarning, match=r"photo.exr: averaged down to 6 x 4, not 8 x 5: .*off by"):
        (view,) = fit_films(scene, views, size=8)
    assert view.image.shape == (4, 6, 3)
    assert scene.film_size() == (6, 4)


def test_a_picture_of_the_whole_film_is_refused_where_a_window_shows_a_part(
    make_scene: MakeScene,
) -> None:
    scene = make_scene(size=(16, 8), film=window(2, 1, 8, 4))
    views = (ei.View(np.ones((8, 16, 3), np.float32), name="photo.exr"),)
    with pytest.raises(ei.InputError, match=r"is 16 x 8, the whole film .* shows 8 x 4 of it"):
        fit_films(scene, views)


def test_sensors_side_by_side_keep_their_aspect(make_scene: MakeScene) -> None:
    film = {"type": "hdrfilm", "width": 16, "height": 8}
    views = {name: {"type": "perspective", "fov": 40, "film": film} for name in ("a", "b")}
    scene = make_scene(sensor0={"type": "batch", "film": film, **views})
    scene.set_film_size((8, 4))
    with pytest.raises(ei.InputError, match=r"batch sensor of 8 x 4 .*; give a picture of 8 x 4"):
        scene.set_film_size((8, 6))


def test_sensors_without_a_principal_point_take_films_of_every_size(make_scene: MakeScene) -> None:
    film = {"type": "hdrfilm", "width": 16, "height": 16}
    scene = make_scene(sensor0={"type": "thinlens", "aperture_radius": 0.1, "film": film})
    scene.set_film_size((6, 4))
    assert ei.render(scene, spp=1).shape == (4, 6, 3)


def test_a_film_without_pixels_is_refused_by_its_size(make_scene: MakeScene) -> None:
    with pytest.raises(ei.InputError, match="height must be at least 1; found 0"):
        make_scene().set_film_size((4, 0))


def test_a_scaled_size_keeps_the_aspect_and_a_pixel() -> None:
    assert scaled_size((4000, 3000), 640) == (640, 480)
    assert scaled_size((3000, 4000), 640) == (480, 640)
    assert scaled_size((64, 2), 8) == (8, 1)
