"""Crops are placed in the film of their sensor."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from envmap_inverse import InputError, View
from envmap_inverse.problem import placing
from envmap_inverse.problem.placing import Crop, place_crops

FILM = (60, 40)
Image = NDArray[np.float32]


def films(*sizes: tuple[int, int]) -> Any:
    return SimpleNamespace(film_size=lambda sensor: sizes[sensor])


@pytest.fixture(scope="module")
def whole() -> Image:
    noise = np.random.default_rng(5).standard_normal((40, 60, 3))
    return np.asarray(np.exp(8 * ndimage.gaussian_filter(noise, (2, 2, 0))), np.float32)


def test_a_crop_is_placed_where_it_is_said_to_lie(whole: Image) -> None:
    part = View(whole[10:30, 5:35])
    (found,) = place_crops(films(FILM), [part], [Crop(5, 10, 30, 20)])
    assert found.image.shape == (40, 60, 3)
    np.testing.assert_array_equal(found.image[10:30, 5:35], part.image)
    assert found.mask[10:30, 5:35].all()
    assert found.mask.sum() == 600


def test_a_crop_with_larger_pixels_than_the_film_makes_a_smaller_canvas() -> None:
    part = View(np.ones((10, 15, 3)))
    (found,) = place_crops(films(FILM), [part], [Crop(6, 10, 30, 20)])
    assert found.image.shape == (20, 30, 3)
    assert found.mask[5:15, 3:18].all()


def test_a_crop_between_pixels_is_interpolated(whole: Image) -> None:
    slope = np.broadcast_to(np.arange(20.0)[None, :, None], (10, 20, 3))
    (found,) = place_crops(films(FILM), [View(slope)], [Crop(4.25, 10, 20, 10)])
    np.testing.assert_allclose(found.image[12, 6:20, 0], np.arange(6, 20) - 4.25, atol=1e-5)


def test_masks_levels_and_exposures_go_with_the_crop(whole: Image) -> None:
    mask = np.ones((20, 30), np.float32)
    mask[:, :4] = 0
    part = View(np.minimum(whole[10:30, 5:35], 1.5), mask=mask, white=1.5, exposure=0.5, name="a")
    (found,) = place_crops(films(FILM), [part], [Crop(5, 10, 30, 20)])
    assert found.mask.sum() == mask.sum()
    assert found.is_over.sum() == part.is_over.sum() > 0
    assert (found.exposure, found.name) == (0.5, "a")


def test_crops_of_different_sizes_are_found_in_the_largest_picture(whole: Image) -> None:
    windows = [(slice(8, 30), slice(6, 41)), (slice(12, 40), slice(20, 55))]
    views = [View(whole), *(View(0.3 * whole[window]) for window in windows)]
    found = place_crops(films(FILM), views)
    assert found[0] is views[0]
    for view, (rows, columns) in zip(found[1:], windows, strict=True):
        np.testing.assert_array_equal(
            view.image[rows, columns], np.float32(0.3) * whole[rows, columns]
        )
        assert view.mask.sum() == view.mask[rows, columns].sum() > 0


def test_a_crop_that_reaches_beyond_the_largest_is_cut_off(whole: Image) -> None:
    found = place_crops(films((50, 36)), [View(whole[:36, :50]), View(whole[3:40, 20:59])])
    assert found[1].image.shape == (36, 50, 3)
    assert found[1].mask[3:, 20:].all()
    assert found[1].mask.sum() == 33 * 30


def test_large_pictures_are_averaged_down_to_find_one_in_the_other(
    whole: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "MAX_PIXELS", 700)
    found = place_crops(films(FILM), [View(whole), View(whole[8:32, 10:40])])
    assert found[1].mask[8:32, 10:40].sum() > 0.8 * 24 * 30


def test_pictures_of_one_shape_are_not_sought_in_each_other(whole: Image) -> None:
    views = [View(whole), View(whole[::2, ::2])]
    assert place_crops(films(FILM), views) == tuple(views)


def test_a_crop_that_is_not_found_asks_for_its_place(whole: Image) -> None:
    other = np.random.default_rng(9).random((20, 20, 3)) + 0.1
    with pytest.raises(InputError, match=r"b: is 20 x 20, but a, .* is 60 x 40.* --crop X,Y,W,H"):
        place_crops(films(FILM), [View(whole, name="a"), View(other, name="b")])


@pytest.mark.parametrize(
    ("crop", "message"),
    [
        (Crop(50, 0, 20, 20), "--crop 50,0,20,20: reaches beyond the film of sensor 0, .* 60 x 40"),
        (Crop(0, 0, 20, 10), "--crop 0,0,20,10: picture is 20 x 20, of another shape"),
    ],
)
def test_a_crop_that_cannot_be_is_refused(crop: Crop, message: str) -> None:
    view = View(np.ones((20, 20, 3)), name="picture")
    with pytest.raises(InputError, match=message):
        place_crops(films(FILM), [view], [crop])
