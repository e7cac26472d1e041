"""Pictures of one sensor that are shifted are moved back."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from envmap_inverse import InputError, View
from envmap_inverse.problem.registration import moved, registered

SIDE = 48
EXPOSURES = (1.0, 0.25, 0.0625)
Image = NDArray[np.float32]


def scene(x: float = 0.0, y: float = 0.0, seed: int = 3) -> Image:
    """Light of a high dynamic range, seen from (x, y) pixels further on."""
    noise = np.random.default_rng(seed).standard_normal((3, 160, 160))
    logs = ndimage.gaussian_filter(noise, (0, 3, 3)) * 16
    grid = np.meshgrid(*(np.arange(SIDE) + 50 + shift for shift in (y, x)), indexing="ij")
    channels = [ndimage.map_coordinates(log, grid, order=3) for log in logs]
    return np.exp(np.stack(channels, axis=2)).astype(np.float32)


def bracket(*shifts: tuple[float, float]) -> list[View]:
    """Clipped 8-bit pictures of the scene, each off by a shift."""
    views = []
    for number, ((x, y), exposure) in enumerate(zip(shifts, EXPOSURES, strict=False)):
        values = np.round(255 * np.clip(exposure * scene(-x, -y), 0, 1)) / 255
        name, white, black = f"picture {number}", 254.5 / 255, 0.5 / 255
        views.append(View(values, exposure=exposure, name=name, white=white, black=black))
    return views


def test_pictures_of_a_bracket_are_moved_onto_the_first() -> None:
    found = registered(bracket((0.4, 0), (1.6, -0.7), (-2.0, 1.3)))
    assert found[0].shift is None
    shifts = np.array([view.shift for view in found[1:]])
    assert np.abs(shifts - [[1.2, -0.7], [-2.4, 1.3]]).max() < 0.1


def test_a_moved_picture_shows_what_the_others_show() -> None:
    first, second = registered([View(scene()), View(scene(1.0, -2.0), name="b")])
    assert second.shift is not None
    counts = (second.mask > 0) & (first.mask > 0)
    error = np.abs(np.log(second.image[counts] / first.image[counts]))
    assert np.median(error) < 0.01


def test_pictures_that_fit_are_left_bit_by_bit() -> None:
    views = bracket((0, 0), (0, 0), (0, 0))
    for before, after in zip(views, registered(views), strict=True):
        assert after is before


def test_a_shift_that_harms_less_than_mending_it_is_left() -> None:
    views = bracket((0, 0), (0.05, -0.04))
    assert [view.shift for view in registered(views)] == [None, None]


def test_pictures_of_different_sensors_are_not_compared() -> None:
    views = [replace(view, sensor=k) for k, view in enumerate(bracket((0, 0), (3, 0)))]
    assert registered(views) == tuple(views)


def test_a_large_shift_is_an_error_that_names_the_picture() -> None:
    with pytest.raises(
        InputError,
        match=r"picture \d: is shifted by -?2[45], 0 pixels against picture \d, .*--register",
    ):
        registered(bracket((0, 0), (24.5, 0)))


def test_pictures_of_something_else_are_warned_of_and_left() -> None:
    other = View(scene(seed=8), name="other")
    with pytest.warns(UserWarning, match="is too unlike"):
        found = registered([View(scene(), name="this"), other])
    assert found[1].shift is None


def test_a_picture_that_tells_nothing_is_left() -> None:
    dark = np.zeros((SIDE, SIDE, 3), np.float32)
    dark[:3, :3] = 0.5
    found = registered([View(scene()), View(dark, black=0.0)])
    assert found[1].shift is None


def test_each_shift_is_logged_with_its_deviation(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        registered(bracket((0, 0), (1.5, 0)))
    assert "shifted by" in caplog.text
    assert "moved back" in caplog.text


def test_a_whole_shift_only_moves_pixels() -> None:
    image = scene()
    found = moved(View(image), 2, -3)
    np.testing.assert_array_equal(found.image[3:, :-2], image[:-3, 2:])
    assert found.shift == (2, -3)


def test_what_comes_from_outside_is_masked() -> None:
    found = moved(View(scene()), 1.5, -0.5)
    assert (found.mask[:, -2:] == 0).all()
    assert (found.mask[:1] == 0).all()
    assert (found.mask[1:, :-2] == 1).all()


def test_the_mask_belongs_to_the_film_and_masked_values_are_not_mixed_in() -> None:
    image, mask = scene(), np.ones((SIDE, SIDE), np.float32)
    mask[20:24, 20:24] = 0
    image[20:24, 20:24] = 1e6
    found = moved(View(image, mask=mask), 0.5, 0)
    assert (found.mask[20:24, 19:24] == 0).all()
    assert found.image.max() < 1e5


def test_no_value_lies_beyond_those_that_it_lies_between() -> None:
    image = np.full((9, 9, 3), 0.1, np.float32)
    image[4, 4] = 1000
    found = moved(View(image), 0.4, 0.3)
    assert found.image[:-1, :-1].min() == np.float32(0.1)
    assert found.image.max() < 1000


def test_a_lamp_of_a_pixel_or_so_keeps_its_energy() -> None:
    lamp = np.zeros((15, 15, 3))
    lamp[7, 7] = 1000
    image = ndimage.gaussian_filter(lamp, (0.8, 0.8, 0)).astype(np.float32)
    found = moved(View(image), 0.5, 0.5)
    assert found.image.sum() == pytest.approx(image.sum(), rel=0.06)


def test_a_slope_stays_a_slope() -> None:
    rows, columns = np.indices((8, 8))
    image = np.repeat((2.0 * rows + columns)[:, :, None], 3, axis=2)
    found = moved(View(image), 0.25, 0.5)
    np.testing.assert_allclose(found.image[1:-2, 1:-2], image[1:-2, 1:-2] + 1.25, rtol=1e-5)


def test_bounds_stay_bounds() -> None:
    image = np.full((8, 8, 3), 0.5, np.float32)
    image[4, 4] = 1
    image[2, 2] = 0
    found = moved(View(image, white=1.0, black=0.0), 0.25, 0)
    assert found.is_over[4, 3:5].all()
    assert found.is_under[2, 1:3].all()
    assert found.is_over.sum() == found.is_under[found.mask > 0].sum() == 6
