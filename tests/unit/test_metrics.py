from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np
from numpy.typing import NDArray

from envmap_inverse.metrics import (
    angular_error,
    compare_lights,
    compare_maps,
    energy_ratio,
    log_rmse,
    median_angular_error,
    rmse,
    si_rmse,
    sum_of_squared_errors,
    tonemapped_psnr,
)
from envmap_inverse.sphere.latlong import texel_solid_angles

Map = NDArray[np.float64]

pairs = st_np.arrays(np.float64, (2, 3, 5, 3), elements=st.floats(-100, 100))


def lamp_at(*texels: tuple[int, int], shape: tuple[int, int] = (19, 36)) -> Map:
    """A dim map with lamps of one texel each."""
    lamps = np.full((*shape, 3), 0.01)
    for row, column in texels:
        lamps[row, column] = 50
    return lamps


# One by one


def test_sum_of_squared_errors_adds_up_every_channel_of_every_texel() -> None:
    estimate, ground_truth = np.ones((2, 3, 3)), np.zeros((2, 3, 3))
    ground_truth[0, 0] = (3, 1, 1)
    assert sum_of_squared_errors(estimate, ground_truth) == 15 + 4


@given(pair=pairs)
def test_sum_of_squared_errors_is_the_squared_norm_of_the_difference(pair: Map) -> None:
    expected = np.linalg.norm((pair[0] - pair[1]).ravel()) ** 2
    assert sum_of_squared_errors(*pair) == pytest.approx(expected)


@given(pair=pairs)
def test_sum_of_squared_errors_is_symmetric(pair: Map) -> None:
    assert sum_of_squared_errors(pair[0], pair[1]) == sum_of_squared_errors(pair[1], pair[0])


def test_sum_of_squared_errors_does_not_lose_precision_in_float32() -> None:
    estimate = np.full((500, 1000, 3), 0.1, np.float32)
    expected = 1_500_000 * np.float64(np.float32(0.1)) ** 2
    assert sum_of_squared_errors(estimate, np.zeros_like(estimate)) == pytest.approx(expected)


def test_the_log_error_of_a_brighter_map_is_the_log_of_the_factor(
    rng: np.random.Generator,
) -> None:
    truth = rng.uniform(0.5, 2, (6, 9, 3))
    assert log_rmse(3 * truth, truth, floor=0) == pytest.approx(np.log(3))


def test_the_log_error_takes_negative_values_for_black() -> None:
    truth = np.ones((4, 4, 3))
    assert log_rmse(-5 * truth, truth) == log_rmse(0 * truth, truth)


@given(pair=pairs)
def test_no_scale_makes_the_error_less_than_the_best_one(pair: Map) -> None:
    least = si_rmse(*pair)
    for scale in (0, 0.5, 1, 2):
        assert least <= rmse(scale * pair[0], pair[1]) * (1 + 1e-9) + 1e-9


def test_a_black_estimate_has_no_scale() -> None:
    assert si_rmse(np.zeros((4, 4, 3)), np.full((4, 4, 3), 2)) == pytest.approx(2)


@pytest.mark.parametrize(
    ("colour", "degrees"),
    [((1, 0, 0), 0), ((7, 0, 0), 0), ((0, 2, 0), 90), ((1, 1, 0), 45), ((1, -1, 0), 0)],
)
def test_the_angular_errors_compare_colours_and_not_brightness(
    colour: tuple[int, int, int], degrees: float
) -> None:
    for metric in (angular_error, median_angular_error):
        found = metric(np.tile(colour, (4, 5, 1)), np.tile((1, 0, 0), (4, 5, 1)))
        assert found == pytest.approx(degrees, abs=1e-9)


def test_a_black_texel_has_the_colour_of_grey() -> None:
    assert angular_error(np.zeros((4, 5, 3)), np.full((4, 5, 3), 0.2)) == pytest.approx(0)


def test_the_median_angle_is_that_of_most_of_the_sphere_and_not_of_most_texels() -> None:
    truth = np.tile((1.0, 0, 0), (9, 5, 1))
    texels = truth.copy()
    texels[:3] = texels[-3:] = (0, 1, 0)  # 6 of 9 rows, but a third of the sphere
    assert median_angular_error(texels, truth) == 0


def test_a_map_that_looks_the_same_has_an_infinite_psnr() -> None:
    truth = lamp_at((3, 4))
    brighter_lamp = np.where(truth > 1, 2 * truth, truth)
    assert tonemapped_psnr(brighter_lamp, truth) == math.inf
    assert tonemapped_psnr(truth, 0 * truth) < 20


def test_the_psnr_of_negative_values_is_that_of_black() -> None:
    truth = np.ones((4, 4, 3))
    assert tonemapped_psnr(-truth, truth) == tonemapped_psnr(0 * truth, truth)


def test_the_energy_ratio_of_a_black_truth_is_no_number() -> None:
    texels = np.ones((4, 4, 3)) * (1, 0, 2)
    found = energy_ratio(texels, texels * (0, 0, 1))
    np.testing.assert_array_equal(found, (np.inf, np.nan, 1))


# Lights


@pytest.mark.parametrize(
    ("start", "end", "degrees"),  # rows and columns are 10 degrees apart
    [
        ((9, 12), (9, 14), 20),
        ((9, 0), (9, 35), 10),
        ((9, 12), (8, 12), 10),
        ((9, 12), (11, 12), 20),
        ((1, 0), (1, 18), 20),  # over the pole
        ((0, 0), (2, 7), 20),
    ],
)
def test_a_moved_lamp_has_the_angle_that_it_was_moved_by(
    start: tuple[int, int], end: tuple[int, int], degrees: float
) -> None:
    found = compare_lights(lamp_at(end), lamp_at(start))
    assert found["direction_mean_deg"] == pytest.approx(degrees)
    assert found["direction_max_deg"] == pytest.approx(degrees)
    assert (found["missed"], found["extra"]) == (0, 0)


def test_a_lamp_that_is_too_far_away_is_another_one() -> None:
    found = compare_lights(lamp_at((9, 16)), lamp_at((9, 12)))
    assert (found["missed"], found["extra"], found["direction_mean_deg"]) == (1, 1, None)


def test_the_mean_angle_weighs_lamps_by_their_true_energy() -> None:
    truth, estimate = lamp_at((9, 5), (9, 25)), lamp_at((9, 6), (9, 27))
    truth[9, 25] *= 3
    found = compare_lights(estimate, truth)
    assert found["direction_max_deg"] == pytest.approx(20)
    assert found["direction_mean_deg"] == pytest.approx((10 + 3 * 20) / 4)


def test_lamps_that_are_not_found_are_missed() -> None:
    found = compare_lights(lamp_at((9, 5)), lamp_at((9, 5), (9, 25), (3, 8)))
    assert (found["ground_truth"], found["estimate"]) == (3, 1)
    assert (found["missed"], found["extra"]) == (2, 0)
    assert found["direction_mean_deg"] == pytest.approx(0, abs=1e-9)


# compare_maps


def test_seen_and_unseen_parts_make_the_whole(rng: np.random.Generator) -> None:
    estimate, truth = rng.lognormal(0, 1, (2, 8, 10, 3))
    coverage = np.zeros((8, 10, 3))
    coverage[2:5, 3:, 1] = 1e-9
    found = compare_maps(estimate, truth, coverage)
    seen, unseen = found["seen"], found["unseen"]
    solid_angles = texel_solid_angles(8, 10)
    assert seen["share"] == pytest.approx(solid_angles[2:5, 3:].sum() / (4 * np.pi))
    assert seen["share"] + unseen["share"] == pytest.approx(1)
    assert seen["sse"] + unseen["sse"] == pytest.approx(found["sse"])
    for key, power in (("rmse", 2), ("relative_rmse", 2), ("log_rmse", 2), ("angular_mean_deg", 1)):
        mean = sum(part["share"] * part[key] ** power for part in (seen, unseen))
        assert mean == pytest.approx(found[key] ** power)


def test_the_whole_is_compared_as_without_a_coverage(rng: np.random.Generator) -> None:
    estimate, truth = rng.lognormal(0, 1, (2, 8, 10, 3))
    found = compare_maps(estimate, truth, np.ones((8, 10)))
    seen, unseen = found.pop("seen"), found.pop("unseen")
    assert found == compare_maps(estimate, truth)
    assert seen == {"share": 1, **found}
    assert unseen == {"share": 0}


def test_a_coverage_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"coverage of \(4, 4\)"):
        compare_maps(np.ones((4, 5, 3)), np.ones((4, 5, 3)), np.ones((4, 4, 3)))


def test_the_comparison_can_be_written_as_json(rng: np.random.Generator) -> None:
    estimate, truth = rng.lognormal(0, 1, (2, 8, 10, 3)).astype(np.float32)
    found = compare_maps(estimate, truth, rng.integers(0, 2, (8, 10)))
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_texels_weigh_by_their_solid_angle() -> None:
    shares = texel_solid_angles(7, 5) / (4 * np.pi)
    for row, column in itertools.product((0, 3, 6), (0, 2)):
        texels = np.ones((7, 5, 3))
        texels[row, column] = (2, 1, 1)
        assert rmse(texels, np.ones((7, 5, 3))) == pytest.approx(np.sqrt(shares[row, column] / 3))
        colour_angle = math.degrees(math.acos(4 / math.sqrt(6 * 3)))
        found = angular_error(texels, np.ones((7, 5, 3)))
        assert found == pytest.approx(colour_angle * shares[row, column])
