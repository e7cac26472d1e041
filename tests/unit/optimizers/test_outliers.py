from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.optimizers.least_squares.outliers import outlying

SIZE = 24
HAND = np.s_[8:16, 8:16]


def _outlying(
    predicted: NDArray[np.float64],
    observed: NDArray[np.float64],
    before: NDArray[np.bool_] | None = None,
    deviation: NDArray[np.float64] | None = None,
) -> NDArray[np.bool_]:
    """Outliers where 0.1 is to be expected of each difference."""
    was = np.zeros(predicted.shape[:2], bool) if before is None else before
    expected = np.full_like(predicted, 0.1) if deviation is None else deviation
    return outlying(predicted, observed - predicted, expected, was)


def _grey() -> NDArray[np.float64]:
    return np.full((SIZE, SIZE, 3), 0.5)


def test_noise_has_no_outliers() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, (SIZE, SIZE, 3))
    assert not _outlying(_grey(), _grey() + np.clip(noise, -0.35, 0.35)).any()


def test_single_pixels_are_outliers() -> None:
    picture = _grey()
    picture[5, 5], picture[18, 3] = 1.5, -0.3
    assert set(zip(*np.nonzero(_outlying(_grey(), picture)), strict=True)) == {(5, 5), (18, 3)}


def test_a_patch_to_half_of_which_the_map_bends_is_found_as_a_whole() -> None:
    picture, predicted = _grey(), _grey()
    picture[HAND] = 1.2
    predicted[HAND][::2] = 1.2
    predicted[HAND][1::2] = 0.6
    predicted[8:16:2, 7], predicted[8:16:2, 16] = 0.5, 0.5
    found = _outlying(predicted, picture)
    # The neighbours of a row that the map explains excuse the next one, but at the corners.
    assert not found[:6].any()
    again = _outlying(_grey(), picture, before=found)
    assert again[HAND].all()
    assert again.sum() < 1.6 * 64


def test_an_edge_that_is_off_by_a_pixel_is_none() -> None:
    predicted, picture = _grey(), _grey()
    predicted[:, 12:], picture[:, 13:] = 5.0, 5.0
    assert not _outlying(predicted, picture).any()


def test_what_does_not_count_is_none_and_excuses_none() -> None:
    picture = _grey()
    picture[5, 5] = 1.5
    predicted, deviation = _grey(), np.full((SIZE, SIZE, 3), 0.1)
    predicted[5, 6], deviation[5, 6] = 1.5, np.inf
    predicted[20, 20], deviation[20, 20] = 9.0, np.inf
    found = _outlying(predicted, picture, deviation=deviation)
    assert list(zip(*np.nonzero(found), strict=True)) == [(5, 5)]


def test_an_outlier_stays_one_until_the_others_predict_it() -> None:
    picture, before = _grey(), np.zeros((SIZE, SIZE), bool)
    picture[5, 5], picture[10, 10], picture[20, 20] = 0.85, 0.7, 2.0
    before[5, 5] = before[10, 10] = True
    found = _outlying(_grey(), picture, before=before)
    assert set(zip(*np.nonzero(found), strict=True)) == {(5, 5), (20, 20)}
