"""The formulas of the protocols, on arrays worked by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from envmap_inverse.protocols import (
    angular_mean_deg,
    normalized_rmse,
    normwise_error,
    relative_error,
    rmse_per_channel,
    rmse_per_pixel,
    si_rmse,
    tone_mapped,
)

Metric = Callable[..., float]

METRICS = (
    angular_mean_deg,
    normalized_rmse,
    relative_error,
    normwise_error,
    rmse_per_channel,
    rmse_per_pixel,
    si_rmse,
)
# Two pixels that count, and one, far off, that does not.
IMAGE = np.array([[[1.0, 0, 0], [2, 2, 0], [99, 0, 99]]])
REFERENCE = np.array([[[1.0, 2, 0], [0, 2, 1], [0, 0, 0]]])
MASK = np.array([[True, True, False]])


def ramp(low: float, high: float) -> NDArray[np.float64]:
    """1 x 1001 grey pixels from low to high; one lies below the 0.1 percentile, one above 99.9."""
    return np.repeat(np.linspace(low, high, 1001), 3).reshape(1, 1001, 3)


def test_the_rmse_per_pixel_divides_the_squares_of_all_channels_by_the_pixels() -> None:
    # (0 + 4 + 0) + (4 + 0 + 1) = 9
    assert rmse_per_pixel(IMAGE, REFERENCE, MASK) == pytest.approx(np.sqrt(9 / 2))


def test_the_rmse_per_channel_divides_them_by_pixels_and_channels() -> None:
    assert rmse_per_channel(IMAGE, REFERENCE, MASK) == pytest.approx(np.sqrt(9 / 6))


def test_the_si_rmse_takes_the_scale_of_the_least_error() -> None:
    # <image, reference> = 1 + 4 = 5 and <image, image> = 1 + 8 = 9, so s = 5/9;
    # |reference|^2 - s 5 = 10 - 25/9 = 65/9.
    assert si_rmse(IMAGE, REFERENCE, MASK) == pytest.approx(np.sqrt(65 / 9 / 2))


def test_the_si_rmse_of_a_scaled_image_is_0() -> None:
    assert si_rmse(7 * REFERENCE, REFERENCE, MASK) == pytest.approx(0, abs=1e-12)


def test_the_si_rmse_of_a_black_image_is_what_it_lacks() -> None:
    assert si_rmse(0 * IMAGE, REFERENCE, MASK) == pytest.approx(np.sqrt(10 / 2))


def test_the_angular_error_is_the_mean_angle_of_the_colours() -> None:
    # (1, 0, 0) and (1, 2, 0): tan = 2; (2, 2, 0) and (0, 2, 1): cos = 4 / sqrt(8 * 5).
    angles = [np.arctan(2), np.arccos(4 / np.sqrt(40))]
    expected = np.degrees(np.mean(angles))
    assert angular_mean_deg(IMAGE, REFERENCE, MASK) == pytest.approx(expected)


def test_a_black_pixel_has_no_angular_error() -> None:
    assert angular_mean_deg(0 * IMAGE, REFERENCE, MASK) == 0


def test_the_normalized_rmse_shifts_and_scales_each_image_by_its_percentiles() -> None:
    mask = np.ones((1, 1001), bool)
    assert normalized_rmse(ramp(3, 9), ramp(0, 1), mask) == pytest.approx(0, abs=1e-12)
    # Percentiles 0.1 and 99.9 of a ramp are its pixels 1 and 999: values become (i - 1) / 998 and,
    # turned round, (999 - i) / 998, 2 (i - 500) / 998 apart.
    apart = 2 * (np.arange(1001) - 500) / 998
    found = normalized_rmse(ramp(0, 1), ramp(1, 0), mask)
    assert found == pytest.approx(np.sqrt(3 * np.mean(apart**2)))


def test_a_single_glint_moves_no_percentile() -> None:
    mask = np.ones((1, 1001), bool)
    glint = ramp(0, 1)
    glint[0, 1000] = 50
    expected = 49 / 0.998 * np.sqrt(3 / 1001)
    assert normalized_rmse(glint, ramp(0, 1), mask) == pytest.approx(expected)


def test_images_of_one_colour_are_normalized_to_black() -> None:
    assert normalized_rmse(np.full((1, 3, 3), 0.2), np.full((1, 3, 3), 0.7), MASK) == 0


def test_the_relative_errors_compare_with_the_light_of_the_reference() -> None:
    # |differences|: 2 + 2 + 1 = 5 of 1 + 2 + 2 + 1 = 6; squares 9 of 10.
    assert relative_error(IMAGE, REFERENCE, MASK) == pytest.approx(5 / 6)
    assert normwise_error(IMAGE, REFERENCE, MASK) == pytest.approx(np.sqrt(9 / 10))


@pytest.mark.parametrize("metric", [relative_error, normwise_error])
def test_light_where_there_should_be_none_is_infinitely_wrong(metric: Metric) -> None:
    assert metric(IMAGE, 0 * IMAGE, MASK) == np.inf
    assert metric(0 * IMAGE, 0 * IMAGE, MASK) == 0


@pytest.mark.parametrize("metric", METRICS)
def test_an_image_has_no_error_against_itself(metric: Metric) -> None:
    assert metric(IMAGE, IMAGE, MASK) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("metric", METRICS)
def test_pixels_outside_the_mask_do_not_count(metric: Metric) -> None:
    elsewhere = IMAGE.copy()
    elsewhere[0, 2] = 5
    assert metric(elsewhere, REFERENCE, MASK) == metric(IMAGE, REFERENCE, MASK)


@pytest.mark.parametrize("metric", METRICS)
def test_images_and_masks_of_unequal_shape_are_refused(metric: Metric) -> None:
    with pytest.raises(ValueError, match="unequal shapes"):
        metric(IMAGE, REFERENCE[:, :2], MASK)
    with pytest.raises(ValueError, match="unequal shapes"):
        metric(IMAGE, REFERENCE, MASK[:, :2])


def test_tone_mapping_takes_the_median_of_the_lit_values_to_one_half() -> None:
    # I^(1/2.4) is 0, 1, 2, 3; without the 0 the median is 2, so alpha is 1/4.
    texels = np.array([0, 1, 2**2.4, 3**2.4])
    np.testing.assert_allclose(tone_mapped(texels), [0, 0.25, 0.5, 0.75])


def test_tone_mapping_does_not_clip() -> None:
    assert tone_mapped(np.array([1.0, 1, 100**2.4])).max() == pytest.approx(50)


def test_tone_mapping_takes_a_common_factor_out() -> None:
    texels = np.array([0, 0.1, 0.7, 20])
    np.testing.assert_allclose(tone_mapped(1000 * texels), tone_mapped(texels))


def test_tone_mapping_takes_negative_values_for_black() -> None:
    np.testing.assert_allclose(tone_mapped(np.array([-3.0, 1])), [0, 0.5])


def test_a_black_map_stays_black() -> None:
    np.testing.assert_array_equal(tone_mapped(np.zeros((2, 3, 3))), np.zeros((2, 3, 3)))
