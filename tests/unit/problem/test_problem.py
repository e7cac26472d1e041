from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np
from numpy.typing import NDArray

from envmap_inverse import MSE, InputError, View
from envmap_inverse.images import Picture
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.view import start_exposures


class FakeScene:
    """Two sensors, 6 x 4 and 5 x 5 pixels; a map of 3 x 2 texels."""

    envmap = SimpleNamespace(resolution=(3, 2), original_scale=1.0)

    def film_size(self, sensor: int) -> tuple[int, int]:
        return [(6, 4), (5, 5)][sensor]

    def sensor(self, _index: int) -> Any:
        return SimpleNamespace(film=lambda: "HDRFilm[ pixel_format = rgb ]")


def create(views: Any, **options: Any) -> Problem:
    return Problem.create(FakeScene(), views, loss=MSE(), **options)  # type: ignore[arg-type]


@pytest.fixture
def image() -> np.ndarray:
    return np.ones((4, 6, 3), np.float32)


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1)])
def test_a_grey_picture_is_one_of_grey_light(
    shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    grey = rng.uniform(size=shape).astype(np.float32)
    expected = np.repeat(grey.reshape(4, 6, 1), 3, axis=2)
    np.testing.assert_array_equal(View(grey).image, expected)


@pytest.mark.parametrize("shape", [(6,), (4, 6, 2), (4, 6, 4), (1, 4, 6, 3), (0, 6, 3), (0, 6)])
def test_a_view_must_be_rgb(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"must have shape \(h, w, 3\); found"):
        View(np.ones(shape))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_view_that_is_not_finite_is_refused_with_the_count_and_first_pixel(
    image: np.ndarray, value: float
) -> None:
    image[2, 5, 1] = image[3, 0, 0] = value
    with pytest.raises(InputError, match=r"photo: 2 values .* first in row 2, column 5"):
        View(image, name="photo")


def test_a_view_keeps_float32(image: np.ndarray) -> None:
    assert View(image.astype(np.float64)).image.dtype == np.float32


def test_a_pictures_levels_and_alpha_are_the_views_unless_others_are_given() -> None:
    alpha = np.float32([[1, 0], [1, 0.5]])
    image = np.full((2, 2, 3), 0.5, np.float32)
    picture = Picture(image=image, alpha=alpha, white=0.9, black=0.1, bit_depth=8)
    view = View(picture, sensor=2, name="a.png")
    assert (view.sensor, view.white, view.black, view.name) == (2, 0.9, 0.1, "a.png")
    np.testing.assert_array_equal(view.mask, [[1, 0], [1, 0]])
    assert view.picture is not None
    assert view.picture.bit_depth == 8
    own = View(picture, white=0.8, mask=np.float32([[0.5, 1], [0, 1]]))
    assert (own.white, own.black) == (0.8, 0.1)
    np.testing.assert_array_equal(own.mask, [[0.5, 0], [0, 0]])


def test_a_picture_will_do_for_a_view() -> None:
    picture = Picture(image=np.full((4, 6, 3), 0.5, np.float32), white=0.9)
    assert create(picture).views[0].white == 0.9


def test_a_picture_is_turned_upright_in_a_view() -> None:
    assert View(Picture(image=np.ones((4, 6, 3)), orientation=6)).image.shape == (6, 4, 3)


def test_a_picture_that_is_nowhere_opaque_is_refused_with_the_remedy() -> None:
    picture = Picture(image=np.ones((2, 2, 3)), alpha=np.zeros((2, 2)))
    with pytest.raises(InputError, match=r"a\.png: no pixel of it is opaque; .*--alpha ignore"):
        View(picture, name="a.png")


def test_a_mask_of_another_shape_than_the_picture_is_refused() -> None:
    picture = Picture(image=np.ones((2, 2, 3)), alpha=np.float32([[1, 0], [1, 0]]))
    with pytest.raises(InputError, match="its mask has"):
        View(picture, mask=np.ones((3, 2), np.float32))


def test_a_view_cannot_be_changed(image: np.ndarray) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        View(image).sensor = 1  # type: ignore[misc]


@pytest.mark.parametrize("exposure", [0, -1, np.nan, np.inf, (1, 2), (1, 0, 1), np.ones((3, 1))])
def test_an_exposure_is_one_or_three_positive_finite_numbers(
    image: np.ndarray, exposure: Any
) -> None:
    with pytest.raises(InputError, match="exposure must be one or three positive"):
        View(image, exposure=exposure)


def test_an_exposure_in_words_is_one_that_can_be_found(image: np.ndarray) -> None:
    with pytest.raises(InputError, match="photo: exposure 'bright': give a number, three, 'auto'"):
        View(image, exposure="bright", name="photo")  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(6, 4), (4, 6, 1), (4, 6, 3), (24,)])
def test_a_mask_has_the_shape_of_its_image(image: np.ndarray, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"mask has .* but the image \(4, 6\)"):
        View(image, mask=np.ones(shape))


@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan])
def test_mask_values_lie_from_0_to_1(image: np.ndarray, value: float) -> None:
    with pytest.raises(InputError, match="from 0 to 1"):
        View(image, mask=np.full((4, 6), value))


def test_a_mask_leaves_some_pixel(image: np.ndarray) -> None:
    with pytest.raises(InputError, match="leaves no pixel"):
        View(image, mask=np.zeros((4, 6)))


def test_weights_sum_to_one_and_follow_the_mask(image: np.ndarray) -> None:
    mask = np.zeros((4, 6))
    mask[1, 2], mask[3, 3] = 1, 0.5
    weights = View(image, mask=mask).weights
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(weights[1, 2], 2 / 9)
    np.testing.assert_allclose(weights[3, 3], 1 / 9)
    assert np.count_nonzero(weights) == 6


def test_a_boolean_mask_will_do(image: np.ndarray) -> None:
    mask = np.arange(24).reshape(4, 6) % 2 == 0
    assert np.count_nonzero(View(image, mask=mask).weights) == 36


def test_a_view_of_another_size_is_refused_with_both_sizes_and_the_remedy() -> None:
    with pytest.raises(InputError, match=r"photo: is 5 x 3 .* 0 is 6 x 4; .*film_size\(\(5, 3"):
        create(View(np.ones((3, 5, 3)), name="photo"))


def test_each_view_is_compared_with_its_own_sensor(image: np.ndarray) -> None:
    problem = create([image, View(np.ones((5, 5, 3)), sensor=1)])
    assert [view.sensor for view in problem.views] == [0, 1]


def test_at_least_one_view_is_needed() -> None:
    with pytest.raises(InputError, match="no reference image"):
        create([])


def test_an_initial_number_fills_the_map(image: np.ndarray) -> None:
    initial = create(image, initial=0.25).initial
    assert initial.dtype == np.float32
    np.testing.assert_array_equal(initial, np.full((2, 3, 3), 0.25))


def test_the_initial_map_may_be_texels_or_flat_rgba(image: np.ndarray) -> None:
    texels = np.arange(18, dtype=np.float32).reshape(2, 3, 3)
    rgba = np.concatenate([texels, np.ones((2, 3, 1))], axis=2).ravel()
    np.testing.assert_array_equal(create(image, initial=texels).initial, texels)
    np.testing.assert_array_equal(create(image, initial=rgba).initial, texels)


@pytest.mark.parametrize(
    ("option", "name"), [("initial", "initial map"), ("ground_truth", "ground truth")]
)
def test_maps_of_another_size_are_refused_by_name(
    image: np.ndarray, option: str, name: str
) -> None:
    with pytest.raises(InputError, match=rf"{name}: .*\(2, 3, 3\).*found \(4, 4, 3\)"):
        create(image, **{option: np.ones((4, 4, 3))})


@pytest.mark.parametrize("initial", [np.nan, np.inf, np.full((2, 3, 3), np.nan)])
def test_an_initial_map_that_is_not_finite_is_refused_by_name(
    image: np.ndarray, initial: Any
) -> None:
    with pytest.raises(InputError, match=r"initial map(: .*NaN or infinite| must lie)"):
        create(image, initial=initial)


@given(
    image=st_np.arrays(np.float32, (2, 3, 3), elements=st.floats(0, 2, width=32)),
    white=st.floats(1, 2),
    black=st.floats(-1, 0.75),
)
def test_the_bounds_of_a_view_hold_its_image_and_meet_where_it_is_not_clipped(
    image: NDArray[np.float32], white: float, black: float
) -> None:
    is_clipped = (image >= white) | (image <= black)
    if is_clipped.all():
        with pytest.raises(InputError, match="every pixel that counts is clipped"):
            View(image, white=white, black=black)
        return
    view = View(image, white=white, black=black)
    low, high = view.bounds[0], view.bounds[-1]
    assert ((low <= image) & (image <= high)).all()
    np.testing.assert_array_equal(low < high, is_clipped)
    assert sum(view.clipped_share.values()) == pytest.approx(is_clipped.mean(), abs=1e-6)


@given(
    exposures=st.lists(
        st.sampled_from(["auto", "auto-rgb"]) | st.floats(0.5, 4, width=32), min_size=1, max_size=5
    )
)
def test_every_exposure_is_given_or_one_of_the_unknowns_but_for_one_to_go_by(
    exposures: list[float | str],
) -> None:
    views = [View(np.ones((1, 2, 3)), exposure=exposure) for exposure in exposures]  # type: ignore[arg-type]
    start, unknown = start_exposures(views)
    numbers = [
        [] if isinstance(exposure, float) else [0] if exposure == "auto" else [0, 1, 2]
        for exposure in exposures
    ]
    if all(numbers):
        numbers[0] = []
    for row, channels, exposure, own in zip(start, unknown, exposures, numbers, strict=True):
        np.testing.assert_array_equal(row, exposure if isinstance(exposure, float) else 1)
        assert len(set(channels.tolist())) == max(len(own), 1)
        assert (channels >= 0).all() == bool(own)
    found = sorted(set(unknown.ravel().tolist()) - {-1})
    assert found == list(range(sum(map(len, numbers))))
