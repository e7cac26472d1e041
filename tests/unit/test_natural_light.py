"""Tests of what is known of light before a picture is seen."""

from __future__ import annotations

import numpy as np
import pytest

from envmap_inverse.natural_light import colour_root, filled, spectrum
from envmap_inverse.sphere.latlong import texel_directions

Map = np.ndarray


def test_the_spectrum_is_the_measured_one_between_its_ends() -> None:
    powers = spectrum(100)
    assert powers[[1, 2, 4, 48]].tolist() == pytest.approx([1.76, 0.70, 0.152, 0.0004])
    assert powers[8] > powers[10] > powers[12]
    assert powers[96] == pytest.approx(0.0004 * 2**-2.4)


def test_the_variance_of_a_map_is_about_the_measured_one() -> None:
    degrees = np.arange(128)
    variance = np.sum(((2 * degrees + 1) * spectrum(127))[1:]) / (4 * np.pi)
    assert np.sqrt(variance) == pytest.approx(1.2, abs=0.15)


def test_colours_differ_less_than_brightness() -> None:
    root = colour_root()
    covariance = root @ root.T
    np.testing.assert_allclose(covariance[~np.eye(3, dtype=bool)], 1, atol=1e-5)
    of_red = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert 1.2 * np.sqrt(of_red) == pytest.approx(0.27, abs=0.01)


def half_known(height: int = 16, width: int = 32) -> tuple[Map, Map]:
    """The logarithm z / 2, and which texels are known: a hemisphere with a hole in it."""
    logs = np.repeat(0.5 * texel_directions(height, width)[..., 2:], 3, axis=2).astype(np.float32)
    known = np.ones((height, width), bool)
    known[6:10, 8:16] = False
    return logs, known


def test_a_hole_in_smooth_light_is_filled_smoothly() -> None:
    logs, known = half_known()
    broken = np.where(known[..., None], logs, np.float32(-7))
    found = filled(broken, np.zeros_like(logs), known)
    np.testing.assert_array_equal(found[known], logs[known])
    assert np.abs(found - logs).max() < 0.15


def test_the_fill_follows_the_map_that_is_expected() -> None:
    logs, known = half_known()
    expected = np.random.default_rng(2).standard_normal(logs.shape).astype(np.float32)
    found = filled(expected + 1, expected, known)
    np.testing.assert_allclose(found, expected + 1, atol=1e-5)


@pytest.mark.parametrize("is_known", [True, False])
def test_where_all_or_nothing_is_known_nothing_is_solved_for(*, is_known: bool) -> None:
    logs, known = half_known()
    mean = np.zeros_like(logs)
    found = filled(logs, mean, np.full_like(known, is_known))
    np.testing.assert_array_equal(found, logs if is_known else mean)
