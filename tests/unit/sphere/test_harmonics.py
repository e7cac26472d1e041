"""Tests of sums of spherical harmonics on maps."""

from __future__ import annotations

import numpy as np
import pytest

from envmap_inverse.sphere.harmonics import Harmonics, legendre
from envmap_inverse.sphere.latlong import texel_solid_angles

HEIGHT, WIDTH, DEGREE = 33, 64, 6


@pytest.fixture(scope="module")
def harmonics() -> Harmonics:
    return Harmonics(HEIGHT, WIDTH, np.ones(DEGREE + 1))


def test_the_functions_are_orthonormal_over_the_sphere(harmonics: Harmonics) -> None:
    size = np.count_nonzero(harmonics.counts)
    assert size == (DEGREE + 1) ** 2
    unit = np.zeros((*harmonics.shape, size), np.float32)
    unit[harmonics.counts] = np.eye(size)
    maps = harmonics.synthesis(unit)
    products = maps.T @ (texel_solid_angles(HEIGHT, WIDTH).reshape(-1, 1) * maps)
    np.testing.assert_allclose(products, np.eye(size), atol=0.03)  # the grid's quadrature


def test_legendre_functions_of_low_degree_are_the_known_ones() -> None:
    theta = np.linspace(0, np.pi, HEIGHT)
    found = legendre(HEIGHT, 2)
    np.testing.assert_allclose(found[0, :, 0], 0.5 / np.sqrt(np.pi))
    np.testing.assert_allclose(found[0, :, 1], np.sqrt(3 / (4 * np.pi)) * np.cos(theta), atol=1e-12)
    np.testing.assert_allclose(
        found[1, :, 1], -np.sqrt(3 / (8 * np.pi)) * np.sin(theta), atol=1e-12
    )
    expected = np.sqrt(5 / (16 * np.pi)) * (3 * np.cos(theta) ** 2 - 1)
    np.testing.assert_allclose(found[0, :, 2], expected, atol=1e-12)


def test_maps_of_other_sizes_show_the_same(harmonics: Harmonics) -> None:
    """A coarse column lies in the middle of the fine ones that it stands for."""
    random = np.random.default_rng(1)
    coefficients = random.standard_normal((*harmonics.shape, 1)).astype(np.float32)
    coarse = harmonics.synthesis(coefficients).reshape(HEIGHT, WIDTH)
    fine = Harmonics(HEIGHT, 3 * WIDTH, np.ones(DEGREE + 1)).synthesis(coefficients)
    np.testing.assert_allclose(fine.reshape(HEIGHT, 3 * WIDTH)[:, 1::3], coarse, atol=1e-4)


def test_coefficients_that_do_not_count_have_no_effect(harmonics: Harmonics) -> None:
    rest = np.where(harmonics.counts, 0, 1).astype(np.float32)[..., None]
    assert np.abs(harmonics.synthesis(rest)).max() < 1e-6


def test_factors_scale_their_degree() -> None:
    factors = np.array([1.0, 2.0])
    plain, scaled = Harmonics(9, 16, np.ones(2)), Harmonics(9, 16, factors)
    coefficients = np.zeros((*plain.shape, 1), np.float32)
    coefficients[0, 1, 0] = 1
    np.testing.assert_allclose(
        scaled.synthesis(coefficients), 2 * plain.synthesis(coefficients), rtol=1e-6
    )


def test_a_degree_beyond_the_columns_is_refused() -> None:
    with pytest.raises(ValueError, match="degree 8 is too high for 16 columns"):
        Harmonics(16, 16, np.ones(9))
