from __future__ import annotations

import numpy as np
import pytest
from scipy.special import sph_harm_y

from envmap_inverse.sphere.harmonic_basis import (
    MAX_ORDER,
    basis,
    cosine_factors,
    degrees_of,
    project,
    turned,
)
from envmap_inverse.sphere.latlong import texel_directions, texel_solid_angles
from envmap_inverse.sphere.reproject import rotation

HEIGHT, WIDTH = 257, 512
ONES = np.ones(1)


def map_of(function: object) -> np.ndarray:
    values = function(texel_directions(HEIGHT, WIDTH))  # type: ignore[operator]
    return np.asarray(values)[:, :, None]


def unit(*vector: float) -> np.ndarray:
    return np.array(vector) / np.linalg.norm(vector)


def test_the_harmonics_are_those_of_scipy_without_its_phase() -> None:
    direction = unit(0.3, -0.5, 0.7)
    theta, phi = np.arccos(direction[2]), np.arctan2(direction[1], direction[0])
    found = basis(direction, MAX_ORDER)
    for degree in range(MAX_ORDER + 1):
        for m in range(degree + 1):
            value = sph_harm_y(degree, m, theta, phi) * (-1) ** m * (np.sqrt(2) if m else 1)
            middle = degree * (degree + 1)
            assert found[middle + m] == pytest.approx(value.real, abs=1e-12)
            if m:
                assert found[middle - m] == pytest.approx(value.imag, abs=1e-12)


def test_the_length_of_a_direction_does_not_matter() -> None:
    assert basis([0, 3, 4], 4) == pytest.approx(basis([0, 0.6, 0.8], 4), abs=1e-14)


def test_a_constant_map_has_one_coefficient() -> None:
    expected = np.zeros((81, 1))
    expected[0] = 2.5 * np.sqrt(4 * np.pi)
    assert project(np.full((9, 16, 1), 2.5), 8) == pytest.approx(expected, abs=1e-12)


def test_a_linear_map_has_four_coefficients() -> None:
    slope = np.array([0.2, -0.4, 0.5])
    found = project(map_of(lambda d: 1 + d @ slope), 2)[:, 0]
    expected = np.zeros(9)
    expected[0] = np.sqrt(4 * np.pi)
    expected[1:4] = np.sqrt(4 * np.pi / 3) * slope[[1, 2, 0]]
    assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("axis", [(0, 1, 0), (0.3, -0.5, 0.7)])
def test_a_cosine_lobe_has_zonal_coefficients(axis: tuple[float, ...]) -> None:
    centre = unit(*axis)
    found = project(map_of(lambda d: np.maximum(d @ centre, 0)), 8)[:, 0]
    # pi, 2 pi / 3, pi / 4, 0, -pi / 24, 0, pi / 64, 0, -pi / 128 (Ramamoorthi and Hanrahan 2001)
    zonal = np.pi * np.array([1, 2 / 3, 1 / 4, 0, -1 / 24, 0, 1 / 64, 0, -1 / 128])
    assert found == pytest.approx(zonal[degrees_of(8)] * basis(centre, 8), abs=1e-4)
    assert cosine_factors(8) == pytest.approx(zonal[degrees_of(8)])


@pytest.mark.parametrize(("row", "column"), [(2, 0), (4, 5), (6, 11)])
def test_one_texel_has_the_coefficients_of_its_hat(row: int, column: int) -> None:
    height, width = 9, 12
    texels = np.zeros((height, width, 1))
    texels[row, column] = 1
    found = project(texels, 1)[:, 0]
    theta, step, turn = np.pi * row / 8, np.pi / 8, 2 * np.pi / width
    phi = 2 * np.pi * (column + 0.5) / width
    upwards = turn * np.sin(2 * theta) * np.sin(step) ** 2 / (2 * step)
    level = step / 2 - np.cos(2 * theta) * np.sin(step) ** 2 / (2 * step)
    sideways = level * np.sin(turn / 2) ** 2 / (turn / 4)
    first = np.sqrt(3 / (4 * np.pi))
    expected = [
        texel_solid_angles(height, width)[row, column] / np.sqrt(4 * np.pi),
        first * upwards,
        -first * sideways * np.cos(phi),
        first * sideways * np.sin(phi),
    ]
    assert found == pytest.approx(expected, abs=1e-12)


def test_high_orders_of_one_texel_are_its_integrals() -> None:
    texels = np.zeros((5, 8, 1))
    texels[1, 2] = 1
    v, u = np.mgrid[0:400, 0:400]
    theta, phi = (v + 0.5) / 400 * np.pi / 2, (u + 0.5) / 400 * np.pi / 2
    hat = (1 - np.abs(theta / (np.pi / 4) - 1)) * (1 - np.abs(phi / (np.pi / 4) - 1))
    phi = phi + 2 * np.pi * 1.5 / 8
    directions = np.stack(
        [np.sin(phi) * np.sin(theta), np.cos(theta), -np.cos(phi) * np.sin(theta)], axis=-1
    )
    measure = (hat * np.sin(theta) * (np.pi / 800) ** 2)[:, :, None]
    expected = np.sum(basis(directions, 8) * measure, axis=(0, 1))
    assert project(texels, 8)[:, 0] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    "matrix", [rotation(("y", 40), ("x", 25)), np.diag([-1.0, 1, 1]), np.eye(3)[[0, 2, 1]]]
)
def test_turned_coefficients_are_those_of_the_turned_function(matrix: np.ndarray) -> None:
    coefficients = np.random.default_rng(1).normal(size=(81, 2))
    directions = texel_directions(5, 7).reshape(-1, 3)
    before = basis(directions, 8) @ coefficients
    after = basis(directions @ matrix.T, 8) @ turned(coefficients, matrix)
    assert after == pytest.approx(before, abs=1e-10)
