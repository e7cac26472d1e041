from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np
from numpy.typing import NDArray

from envmap_inverse import metrics
from envmap_inverse.latlong import texel_solid_angles
from envmap_inverse.metrics import angular_error, log_rmse, sum_of_squared_errors

pairs = st_np.arrays(np.float64, (2, 3, 5, 3), elements=st.floats(-100, 100))


def test_sum_of_squared_errors_adds_up_every_channel_of_every_texel() -> None:
    estimate, ground_truth = np.ones((2, 3, 3)), np.zeros((2, 3, 3))
    ground_truth[0, 0] = (3, 1, 1)
    assert sum_of_squared_errors(estimate, ground_truth) == 15 + 4


@given(pair=pairs)
def test_sum_of_squared_errors_is_the_squared_norm_of_the_difference(
    pair: NDArray[np.float64],
) -> None:
    expected = np.linalg.norm((pair[0] - pair[1]).ravel()) ** 2
    assert sum_of_squared_errors(*pair) == pytest.approx(expected)


@given(pair=pairs)
def test_sum_of_squared_errors_is_symmetric(pair: NDArray[np.float64]) -> None:
    assert sum_of_squared_errors(pair[0], pair[1]) == sum_of_squared_errors(pair[1], pair[0])


@given(pair=pairs)
def test_a_map_has_no_error_against_itself(pair: NDArray[np.float64]) -> None:
    assert sum_of_squared_errors(pair[0], pair[0]) == 0


def test_sum_of_squared_errors_does_not_lose_precision_in_float32() -> None:
    estimate = np.full((500, 1000, 3), 0.1, np.float32)
    expected = 1_500_000 * np.float64(np.float32(0.1)) ** 2
    assert sum_of_squared_errors(estimate, np.zeros_like(estimate)) == pytest.approx(expected)


@pytest.mark.parametrize("name", metrics.__all__)
def test_maps_of_unequal_shape_have_no_error(name: str) -> None:
    with pytest.raises(ValueError, match="unequal shape"):
        getattr(metrics, name)(np.ones((2, 3, 3)), np.ones((3, 2, 3)))


@pytest.mark.parametrize("name", metrics.__all__)
def test_every_error_is_zero_for_the_true_map_and_grows_with_the_change(
    name: str, rng: np.random.Generator
) -> None:
    metric = getattr(metrics, name)
    truth, change = rng.uniform(0.5, 2, (2, 6, 9, 3))
    errors = [metric(truth + step * change, truth) for step in (0, 0.1, 0.2)]
    assert errors[0] == 0
    assert 0 < errors[1] < errors[2]


def test_the_log_error_of_a_brighter_map_is_the_log_of_the_factor(
    rng: np.random.Generator,
) -> None:
    truth = rng.uniform(0.5, 2, (6, 9, 3))
    assert log_rmse(3 * truth, truth, floor=0) == pytest.approx(np.log(3))


def test_the_log_error_weighs_texels_by_their_solid_angle() -> None:
    solid_angles = texel_solid_angles(7, 5) / (4 * np.pi)
    for row, column in ((0, 0), (3, 2), (6, 4)):
        texels = np.ones((7, 5, 3))
        texels[row, column] = np.e
        expected = np.sqrt(solid_angles[row, column])
        assert log_rmse(texels, np.ones((7, 5, 3)), floor=0) == pytest.approx(expected)


def test_the_log_error_takes_negative_values_for_black() -> None:
    truth = np.ones((4, 4, 3))
    assert log_rmse(-5 * truth, truth) == log_rmse(0 * truth, truth)


@pytest.mark.parametrize(
    ("colour", "degrees"),
    [((1, 0, 0), 0), ((7, 0, 0), 0), ((0, 2, 0), 90), ((1, 1, 0), 45), ((1, -1, 0), 0)],
)
def test_the_angular_error_compares_colours_and_not_brightness(
    colour: tuple[int, int, int], degrees: float
) -> None:
    found = angular_error(np.tile(colour, (4, 5, 1)), np.tile((1, 0, 0), (4, 5, 1)))
    assert found == pytest.approx(degrees, abs=1e-9)


def test_a_black_texel_has_the_colour_of_grey() -> None:
    assert angular_error(np.zeros((4, 5, 3)), np.full((4, 5, 3), 0.2)) == pytest.approx(0)


def test_the_angular_error_weighs_texels_by_their_solid_angle() -> None:
    texels, truth = np.tile((1.0, 0, 0), (7, 5, 1)), np.tile((1.0, 0, 0), (7, 5, 1))
    texels[3] = (0, 1, 0)
    share = texel_solid_angles(7, 5)[3].sum() / (4 * np.pi)
    assert angular_error(texels, truth) == pytest.approx(90 * share)
