from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envmap_inverse.images import (
    display_exposure,
    linear_to_srgb,
    tonemap,
)


@given(
    values=st.lists(st.floats(-1e6, 1e6, width=32), min_size=2, max_size=20),
    exposure=st.floats(1e-3, 1e3),
)
def test_tonemapping_is_monotone(values: list[float], exposure: float) -> None:
    assert (np.diff(tonemap(np.sort(np.float32(values)), exposure).astype(int)) >= 0).all()


@given(value=st.floats(0, 1))
def test_tonemapping_is_srgb_rounded_to_the_nearest_level(value: float) -> None:
    exact = 255 * float(linear_to_srgb(np.float64(value)))
    steepest = 255 * 12.92 / 2**14  # a table entry's width where the curve is steepest
    assert abs(int(tonemap([value])[0]) - exact) <= 0.5 + steepest / 2 + 1e-3


@pytest.mark.parametrize(
    ("value", "level"),
    [(0, 0), (-0.1, 0), (-1e9, 0), (1, 255), (1.1, 255), (1e9, 255), (np.inf, 255), (np.nan, 255)],
)
def test_tonemapping_clips(value: float, level: int) -> None:
    assert tonemap(np.full((1, 1, 3), value)).tolist() == [[[level] * 3]]


def test_tonemapping_clips_the_largest_numbers_without_a_warning() -> None:
    assert tonemap(np.float32([3e38, -3e38])).tolist() == [255, 0]


def test_exposure_multiplies_before_the_curve() -> None:
    values = np.linspace(0, 0.25, 50)
    np.testing.assert_array_equal(tonemap(values, 4), tonemap(4 * values))


def test_the_display_exposure_shows_95_percent_at_0_8_or_less(rng: np.random.Generator) -> None:
    image = rng.exponential(3, (64, 64, 3))
    share = (image * display_exposure(image) <= 0.8).mean()
    assert share == pytest.approx(0.95, abs=0.001)


def test_a_black_image_is_shown_at_exposure_one() -> None:
    assert display_exposure(np.zeros((4, 4, 3))) == 1
