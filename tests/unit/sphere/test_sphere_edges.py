from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from envmap_inverse.sphere.latlong import sphere_edges, texel_directions

heights = st.integers(2, 20)
widths = st.integers(3, 20)


def dirichlet_energy(values: NDArray[np.float64]) -> float:
    first, second, weights = sphere_edges(*values.shape)
    flat = values.ravel()
    return float(np.sum(weights * (flat[first] - flat[second]) ** 2))


def rows_and_columns(indices: NDArray[np.int32], width: int) -> tuple[NDArray[np.int32], ...]:
    return indices // width, indices % width


@given(height=heights, width=widths)
def test_each_pair_of_texels_is_tied_at_most_once(height: int, width: int) -> None:
    first, second, _ = sphere_edges(height, width)
    pairs = {frozenset(pair) for pair in zip(first.tolist(), second.tolist(), strict=True)}
    assert all(len(pair) == 2 for pair in pairs)
    assert len(pairs) == len(first)


@given(height=heights, width=widths)
def test_every_texel_has_four_neighbours_and_those_of_a_pole_have_three(
    height: int, width: int
) -> None:
    first, second, _ = sphere_edges(height, width)
    degrees = np.bincount(np.concatenate([first, second]), minlength=height * width)
    expected = np.full((height, width), 4)
    expected[[0, -1]] = 3
    np.testing.assert_array_equal(degrees.reshape(height, width), expected)


@given(height=heights, width=widths)
def test_neighbours_are_one_step_apart_along_a_row_or_a_column(height: int, width: int) -> None:
    first, second, _ = sphere_edges(height, width)
    (row, column), (other_row, other_column) = (
        rows_and_columns(indices, width) for indices in (first, second)
    )
    down = np.abs(row - other_row)
    along = np.minimum((column - other_column) % width, (other_column - column) % width)
    np.testing.assert_array_equal(down + along, 1)


def test_the_last_column_is_tied_to_the_first() -> None:
    first, second, _ = sphere_edges(4, 6)
    pairs = {frozenset(pair) for pair in zip(first.tolist(), second.tolist(), strict=True)}
    assert {frozenset({6 * row, 6 * row + 5}) for row in range(4)} <= pairs


def test_nothing_is_tied_across_a_pole() -> None:
    first, second, _ = sphere_edges(4, 6)
    rows, columns = (
        np.abs(a - b)
        for a, b in zip(*(rows_and_columns(indices, 6) for indices in (first, second)), strict=True)
    )
    assert set(rows.tolist()) == {0, 1}  # the first row is not tied to the last
    assert set(columns.tolist()) == {0, 1, 5}  # no column to the opposite one


@given(height=heights, width=widths)
def test_ties_are_positive_and_finite(height: int, width: int) -> None:
    _, _, weights = sphere_edges(height, width)
    assert (weights > 0).all()
    assert np.isfinite(weights).all()


@given(height=heights, width=widths)
def test_ties_are_the_same_in_every_column(height: int, width: int) -> None:
    first, second, weights = sphere_edges(height, width)
    for is_kind in (first // width == second // width, first // width != second // width):
        by_row = weights[is_kind].reshape(-1, width)
        np.testing.assert_array_equal(by_row, np.repeat(by_row[:, :1], width, axis=1))


@given(height=heights, width=widths)
def test_ties_of_the_upper_half_are_those_of_the_lower(height: int, width: int) -> None:
    texels = np.random.default_rng(3).normal(size=(height, width))
    assert dirichlet_energy(texels[::-1]) == pytest.approx(dirichlet_energy(texels), rel=1e-9)


@given(height=heights, width=widths, turn=st.integers(0, 40))
def test_the_energy_of_a_map_stays_when_it_turns_about_the_vertical(
    height: int, width: int, turn: int
) -> None:
    texels = np.random.default_rng(4).normal(size=(height, width))
    turned = np.roll(texels, turn, axis=1)
    assert dirichlet_energy(turned) == pytest.approx(dirichlet_energy(texels), rel=1e-12)


@given(height=heights, width=widths)
def test_the_energy_of_a_constant_is_zero(height: int, width: int) -> None:
    assert dirichlet_energy(np.full((height, width), 3.7)) == 0


def test_the_energy_of_one_bright_texel_is_that_of_its_ties() -> None:
    first, second, weights = sphere_edges(5, 8)
    for texel in (0, 12, 39):
        values = np.zeros(40)
        values[texel] = 2
        expected = 4 * weights[(first == texel) | (second == texel)].sum()
        assert dirichlet_energy(values.reshape(5, 8)) == pytest.approx(expected)


@pytest.mark.parametrize(("axis", "name"), [(0, "x"), (1, "y"), (2, "z")])
def test_the_energy_of_the_linear_harmonics_is_eight_pi_thirds_to_second_order(
    axis: int, name: str
) -> None:
    """Integral of |grad y|^2 over the sphere, for y the cosine of the angle to an axis."""
    errors = []
    for height in (17, 33, 65):
        harmonic = texel_directions(height, 2 * (height - 1))[..., axis]
        errors.append(abs(dirichlet_energy(harmonic) - 8 * np.pi / 3))
    assert errors[0] < 0.02 * 8 * np.pi / 3
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    np.testing.assert_allclose(orders, 2, atol=0.1, err_msg=f"along {name}")


def test_the_energy_of_a_quadratic_harmonic_is_six_times_its_square() -> None:
    """Degree 2 has the eigenvalue 2 (2 + 1): for xz, 6 times the integral 4 pi / 15."""
    x, _, z = np.moveaxis(texel_directions(65, 128), -1, 0)
    assert dirichlet_energy(x * z) == pytest.approx(6 * 4 * np.pi / 15, rel=5e-3)


@pytest.mark.parametrize("size", [(1, 4), (0, 4), (4, 0)])
def test_maps_that_are_too_small_have_no_neighbours(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 2 rows and 1 column"):
        sphere_edges(*size)
