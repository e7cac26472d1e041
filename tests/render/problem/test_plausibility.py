"""Each rule of plausibility.py: what is warned of, and what is done about it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.problem.plausibility import FLOOR, LARGEST, warn_of_dark_pixels
from envmap_inverse.problem.problem import Problem

Image = NDArray[np.float32]
MakeProblem = Callable[..., Problem]


@pytest.fixture
def picture(rng: np.random.Generator) -> Image:
    return rng.uniform(0.5, 1.5, (8, 8, 3)).astype(np.float32)


@pytest.fixture
def make_problem(scene: ei.Scene, picture: Image) -> MakeProblem:
    def make(image: Image = picture, **options: Any) -> Problem:
        named = {key: options.pop(key) for key in ("mask", "exposure") if key in options}
        view = ei.View(image, name="photo.exr", **named)
        return Problem.create(scene, view, loss=ei.MSE(), **options)

    return make


def quietly(make: MakeProblem, *arguments: Any, **options: Any) -> Problem:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(*arguments, **options)


def test_what_any_light_can_have_passes_unchanged(scene: ei.Scene, picture: Image) -> None:
    view = ei.View(picture)
    problem = Problem.create(scene, view, loss=ei.MSE(), initial=0.3)
    assert problem.views[0] is view
    assert (problem.initial == np.float32(0.3)).all()


@pytest.mark.parametrize("value", [1e38, -1e38, 1.001 * LARGEST])
def test_pixels_brighter_than_any_light_are_warned_of_and_masked(
    make_problem: MakeProblem, picture: Image, value: float
) -> None:
    image = picture.copy()
    image[2, 3, 1] = value
    with pytest.warns(UserWarning, match=r"photo\.exr: 1 pixels are above 1e\+12.* x=3, y=2"):
        view = make_problem(image).views[0]
    assert np.argwhere(view.mask == 0).tolist() == [[2, 3]]
    np.testing.assert_array_equal(np.delete(view.image, 2, 0), np.delete(picture, 2, 0))
    assert (view.image[2, 3] == 0).all()


def test_a_mask_is_kept_where_pixels_are_left_out(
    make_problem: MakeProblem, picture: Image
) -> None:
    image, mask = picture.copy(), np.ones((8, 8), np.float32)
    image[0, 0], mask[5, 5] = 1e30, 0
    view = quietly(make_problem, image, mask=mask).views[0]
    assert np.argwhere(view.mask == 0).tolist() == [[0, 0], [5, 5]]


def test_what_is_masked_is_not_warned_of(make_problem: MakeProblem, picture: Image) -> None:
    image, mask = picture.copy(), np.ones((8, 8), np.float32)
    image[1, 1], image[2, 2], mask[1, 1], mask[2, 2] = 1e38, -1, 0, 0
    make_problem(image, mask=mask)


def test_a_picture_brighter_than_any_light_is_refused(make_problem: MakeProblem) -> None:
    with pytest.raises(ei.InputError, match=r"photo\.exr: 64 pixels are above .*linear radiance"):
        make_problem(np.full((8, 8, 3), 3e38, np.float32))


def test_negative_pixels_are_warned_of_and_kept(make_problem: MakeProblem, picture: Image) -> None:
    image = picture.copy()
    image[4] = -0.01
    with pytest.warns(
        UserWarning, match=r"photo\.exr: 24 values are negative beyond the picture's noise.*kept"
    ):
        view = make_problem(image).views[0]
    np.testing.assert_array_equal(view.image, image)


def test_a_black_picture_is_warned_of(make_problem: MakeProblem) -> None:
    with pytest.warns(UserWarning, match=r"photo\.exr: is black"):
        make_problem(np.zeros((8, 8, 3), np.float32))


def test_negative_texels_of_a_start_map_are_warned_of_and_0(
    make_problem: MakeProblem, random_map: Callable[..., Image]
) -> None:
    start = random_map()
    start[3, 4] = -1
    with pytest.warns(UserWarning, match="initial map: 3 values are negative"):
        found = make_problem(initial=start).initial
    assert (found[3, 4] == 0).all()
    np.testing.assert_array_equal(np.delete(found, 3, 0), np.delete(start, 3, 0))


@pytest.mark.parametrize("exposure", [1.0, 4.0])
def test_a_black_start_map_becomes_a_share_of_the_pictures_mean(
    make_problem: MakeProblem, picture: Image, exposure: float
) -> None:
    with pytest.warns(UserWarning, match="initial map: is black, and a black map has no gradient"):
        found = make_problem(picture * np.float32(exposure), exposure=exposure, initial=0)
    np.testing.assert_allclose(found.initial, FLOOR * picture.mean(), rtol=1e-5)


def test_a_black_start_map_of_a_black_picture_is_not_black_either(
    make_problem: MakeProblem,
) -> None:
    found = quietly(make_problem, np.zeros((8, 8, 3), np.float32), initial=0)
    assert (found.initial == np.float32(FLOOR)).all()


@pytest.mark.parametrize("optimizer", [ei.Adam(iterations=30, learning_rate=0.05), ei.Transport()])
@pytest.mark.filterwarnings("ignore:initial map")
def test_a_run_gets_away_from_a_black_start_map(scene: ei.Scene, optimizer: Any) -> None:
    reference = ei.render(scene, spp=16, seed=3)
    found = ei.estimate(scene, reference, optimizer=optimizer, loss=ei.MSE(), initial=0)
    assert found.texels[found.coverage > 0].mean() > 0.5 * scene.envmap.texels.mean()


@pytest.mark.parametrize("name", ["initial", "ground_truth"])
def test_a_map_brighter_than_any_light_is_refused(
    make_problem: MakeProblem, random_map: Callable[..., Image], name: str
) -> None:
    texels = random_map()
    texels[0, 0, 0] = 1e38
    with pytest.raises(ei.InputError, match=f"{name[:6]}.*texels above 1e"):
        make_problem(**{name: texels})


@pytest.mark.parametrize(("value", "message"), [(0, "is black"), (-1, "values are negative")])
def test_a_ground_truth_that_no_light_has_is_warned_of(
    make_problem: MakeProblem, random_map: Callable[..., Image], value: float, message: str
) -> None:
    with pytest.warns(UserWarning, match=f"ground truth: .*{message}"):
        make_problem(ground_truth=np.full_like(random_map(), value))


def test_pixels_that_no_map_can_make_bright_are_warned_of(picture: Image) -> None:
    view, image = ei.View(picture, name="photo.exr"), picture.copy()
    warn_of_dark_pixels(view, image)
    image[:2, :, 0] = 0
    with pytest.warns(UserWarning, match=r"photo\.exr: 16 pixels are bright where the scene shows"):
        warn_of_dark_pixels(view, image)


def test_dark_pixels_that_no_map_makes_bright_are_not_warned_of(picture: Image) -> None:
    reference = picture.copy()
    reference[:2] = 0.001
    image = picture.copy()
    image[:2] = 0
    warn_of_dark_pixels(ei.View(reference), image)
