"""Big films of small objects are cut down to what counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.backend import mi
from envmap_inverse.problem.cutting import cut_films
from envmap_inverse.problem.fitting import fit_films
from envmap_inverse.scene.windows import Window, pixels_on_objects

MakeScene = Callable[..., ei.Scene]
MakeDict = Callable[..., dict[str, Any]]

HIDING = {"type": "path", "max_depth": 3, "hide_emitters": True}
SIZE = (24, 20)
PART = Window(x=6, y=3, width=8, height=9)

KINDS = {
    "perspective": {},
    "thinlens": {"type": "thinlens", "aperture_radius": 0.1, "focus_distance": 3.0},
    "orthographic": {"type": "orthographic"},
}


def mask_of(window: Window, size: tuple[int, int] = SIZE) -> NDArray[np.float32]:
    mask = np.zeros(size[::-1], np.float32)
    window.of(mask)[:] = 1
    return mask


def rays(sensor: Any, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Origins and directions of rays at places of the film in pixels, (n, 2); shape (n, 6)."""
    x, y = (pixels / np.array(sensor.film().crop_size())).T
    ray, _ = sensor.sample_ray(0.0, 0.5, mi.Point2f(x, y), mi.Point2f(0.5, 0.3))
    return np.concatenate(np.broadcast_arrays(np.array(ray.o), np.array(ray.d))).T


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("film", [{}, {"crop_offset_x": 7, "crop_width": 17, "crop_height": 17}])
def test_pixels_of_a_cut_film_see_what_they_saw(
    scene_dict: MakeDict, kind: str, film: dict[str, int]
) -> None:
    described = scene_dict(size=SIZE, film=film)
    described["sensor0"].update(KINDS[kind])
    if kind == "orthographic":
        del described["sensor0"]["fov"]
    scene = ei.load_scene(described)
    size = scene.film_size()
    places = np.array([[6.0, 3.0], [14, 12], [10.5, 5.2]])
    before = rays(scene.sensor(), places)
    image = np.random.default_rng(2).random((*size[::-1], 3), np.float32)
    (view,) = cut_films(scene, [ei.View(image, mask=mask_of(PART, size))])
    assert view.window == PART
    assert scene.film_size() == (8, 9)
    np.testing.assert_array_equal(view.image, PART.of(image))
    np.testing.assert_allclose(rays(scene.sensor(), places - [6, 3]), before, atol=3e-6)


def test_a_cut_film_is_averaged_down_afterwards(make_scene: MakeScene) -> None:
    scene = make_scene(size=SIZE)
    before = rays(scene.sensor(), np.array([[6.0, 3.0], [14, 11]]))
    view = ei.View(np.ones((20, 24, 3)), mask=mask_of(Window(x=6, y=3, width=8, height=8)))
    (fitted,) = fit_films(scene, [view], max_pixels=16, cut=cut_films)
    assert fitted.image.shape == (4, 4, 3)
    corners = np.array([[0.0, 0.0], [4, 4]])
    np.testing.assert_allclose(rays(scene.sensor(), corners), before, atol=3e-6)


def test_a_size_that_is_asked_for_is_of_the_whole_picture(make_scene: MakeScene) -> None:
    scene = make_scene(size=SIZE)
    view = ei.View(np.ones((20, 24, 3)), mask=mask_of(Window(x=6, y=4, width=8, height=8)))
    (fitted,) = fit_films(scene, [view], size=12, cut=cut_films)
    assert fitted.window == Window(x=3, y=2, width=4, height=4)


def test_the_mask_of_any_picture_of_a_sensor_counts(make_scene: MakeScene) -> None:
    scene = make_scene(size=SIZE)
    masks = [mask_of(Window(x=x, y=4, width=2, height=2)) for x in (5, 9)]
    views = cut_films(scene, [ei.View(np.ones((20, 24, 3)), mask=mask) for mask in masks])
    assert {view.window for view in views} == {Window(x=5, y=4, width=6, height=2)}
    assert [view.mask.sum() for view in views] == [4, 4]


def test_a_filter_keeps_the_pixels_that_it_reaches(make_scene: MakeScene) -> None:
    scene = make_scene(size=SIZE, film={"rfilter": {"type": "gaussian"}})
    (view,) = cut_films(scene, [ei.View(np.ones((20, 24, 3)), mask=mask_of(PART))])
    assert view.window == Window(x=4, y=1, width=12, height=13)


def test_a_film_of_which_most_counts_is_left(make_scene: MakeScene) -> None:
    scene = make_scene(size=SIZE)
    mask = mask_of(Window(x=0, y=0, width=13, height=20))
    (view,) = cut_films(scene, [ei.View(np.ones((20, 24, 3)), mask=mask)])
    assert view.window is None
    assert scene.film_size() == SIZE


def test_what_no_map_can_light_is_cut_off(make_scene: MakeScene) -> None:
    scene = make_scene(size=(48, 48), fov=120, integrator=HIDING)
    image = ei.render(scene, spp=16)
    rows, columns = np.nonzero(image.any(axis=2))
    (view,) = cut_films(scene, [ei.View(image)])
    assert view.window is not None
    assert view.window.width < 30
    assert view.image.sum() == pytest.approx(image.sum(), rel=1e-6)
    margins = columns.min() - view.window.x, rows.min() - view.window.y
    assert min(margins) >= 4


@pytest.mark.parametrize("case", ["the map is seen", "the scene moves"])
def test_surroundings_that_matter_are_kept(make_scene: MakeScene, case: str) -> None:
    integrator = {"type": "path", "max_depth": 3} if case == "the map is seen" else HIDING
    scene = make_scene(size=(48, 48), fov=120, integrator=integrator)
    views = [ei.View(np.ones((48, 48, 3)))]
    (view,) = cut_films(scene, views, moves=case == "the scene moves")
    assert view.window is None


def test_a_thin_lens_blurs_outlines_so_that_surroundings_are_kept(scene_dict: MakeDict) -> None:
    described = scene_dict(size=(48, 48), fov=120, integrator=HIDING)
    described["sensor0"].update(KINDS["thinlens"])
    scene = ei.load_scene(described)
    (view,) = cut_films(scene, [ei.View(np.ones((48, 48, 3)))])
    assert view.window is None


def test_the_map_is_that_of_a_crop_made_by_hand(make_scene: MakeScene) -> None:
    scene = make_scene(size=(64, 48), fov=90, integrator=HIDING)
    image = ei.render(scene, spp=64)
    hits = pixels_on_objects(scene.mi_scene, scene.sensor())
    views = [ei.View(image, mask=hits)]
    whole = ei.estimate(scene, views, optimizer=ei.Transport(spp=64))
    cut = ei.estimate(scene, cut_films(scene, views), optimizer=ei.Transport(spp=64))
    assert np.abs(np.log(cut.texels / whole.texels)).mean() < 0.05
