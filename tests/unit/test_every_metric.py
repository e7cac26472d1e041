from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from envmap_inverse import metrics
from envmap_inverse.metrics import (
    angular_error,
    compare_maps,
    energy_ratio,
    log_rmse,
    median_angular_error,
    relative_rmse,
    rmse,
    si_rmse,
    sum_of_squared_errors,
    tonemapped_psnr,
)
from envmap_inverse.sphere.latlong import texel_solid_angles

Map = NDArray[np.float64]
Metric = Callable[..., float]

pairs = st_np.arrays(np.float64, (2, 3, 5, 3), elements=st.floats(-100, 100))
METRICS = [name for name in metrics.__all__ if name not in {"NAMES", "compare_maps"}]
ZERO_FOR_THE_TRUTH = [
    angular_error,
    log_rmse,
    median_angular_error,
    relative_rmse,
    rmse,
    si_rmse,
    sum_of_squared_errors,
]


# A second evaluation of every metric: sampling the bilinear map, loops, searches


def sphere_mean(field: Map, rows: int = 800, per_texel: int = 8) -> float:
    """Mean over the sphere of a bilinear map, at the middles of many small cells."""
    height, width = field.shape
    theta = (np.arange(rows) + 0.5) * np.pi / rows
    row = np.minimum((theta / np.pi * (height - 1)).astype(int), height - 2)
    down = theta / np.pi * (height - 1) - row
    x = (np.arange(width * per_texel) + 0.5) / per_texel - 0.5
    left = np.floor(x).astype(int)
    right = x - left
    lines = field[row] * (1 - down[:, None]) + field[row + 1] * down[:, None]
    samples = lines[:, left % width] * (1 - right) + lines[:, (left + 1) % width] * right
    return float(np.average(samples.mean(axis=1), weights=np.sin(theta)))


def per_texel(function: Callable[[Any, Any], float], a: Map, b: Map) -> Map:
    """A function of the two RGB triples of each texel."""
    height, width, _ = a.shape
    found = [
        [function(a[i, j].tolist(), b[i, j].tolist()) for j in range(width)] for i in range(height)
    ]
    return np.array(found)


def mean_over_channels(function: Callable[[float, float], float]) -> Callable[[Any, Any], float]:
    return lambda a, b: sum(function(x, y) for x, y in zip(a, b, strict=True)) / 3


def slow_root_mean(function: Callable[[float, float], float], a: Map, b: Map, w: Map) -> float:
    field = per_texel(mean_over_channels(function), a, b)
    return math.sqrt(sphere_mean(field * w) / sphere_mean(w))


def slow_rmse(a: Map, b: Map, w: Map) -> float:
    return slow_root_mean(lambda x, y: (x - y) ** 2, a, b, w)


def slow_relative_rmse(a: Map, b: Map, w: Map) -> float:
    return slow_root_mean(lambda x, y: (x - y) ** 2 / (y * y + 0.01), a, b, w)


def slow_log_rmse(a: Map, b: Map, w: Map) -> float:
    return slow_root_mean(lambda x, y: math.log((x + 0.01) / (y + 0.01)) ** 2, a, b, w)


def slow_si_rmse(a: Map, b: Map, w: Map) -> float:
    found = minimize_scalar(lambda s: sphere_mean(w * np.mean((s * a - b) ** 2, axis=2)))
    return math.sqrt(found.fun / sphere_mean(w))


def degrees_between(a: Any, b: Any) -> float:
    cosine = np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b))
    return math.degrees(math.acos(min(cosine, 1)))


def slow_angular_error(a: Map, b: Map, w: Map) -> float:
    return sphere_mean(w * per_texel(degrees_between, a, b)) / sphere_mean(w)


def repeated(values: Map, weights: Map) -> Map:
    """Values as often as they weigh."""
    return np.repeat(values.ravel(), np.round(1e5 * weights / weights.max()).astype(int).ravel())


def slow_median_angular_error(a: Map, b: Map, w: Map) -> float:
    angles = per_texel(degrees_between, a, b)
    return float(np.median(repeated(angles, w * texel_solid_angles(*w.shape))))


def slow_tonemapped_psnr(a: Map, b: Map, w: Map) -> float:
    weights = np.repeat(texel_solid_angles(*w.shape)[..., None], 3, axis=2)
    middle = float(np.median(repeated(b, weights)))

    def shown(value: float) -> float:
        return min(1.0, 0.5 * (value / middle) ** (1 / 2.4))

    return -20 * math.log10(slow_root_mean(lambda x, y: (shown(x) - shown(y)) ** 2, a, b, w))


def slow_energy_ratio(a: Map, b: Map, w: Map) -> list[float]:
    return [sphere_mean(w * a[..., k]) / sphere_mean(w * b[..., k]) for k in range(3)]


SLOW = {
    rmse: slow_rmse,
    relative_rmse: slow_relative_rmse,
    log_rmse: slow_log_rmse,
    si_rmse: slow_si_rmse,
    angular_error: slow_angular_error,
    median_angular_error: slow_median_angular_error,
    tonemapped_psnr: slow_tonemapped_psnr,
    energy_ratio: slow_energy_ratio,
}


@pytest.mark.parametrize("metric", SLOW)
@pytest.mark.parametrize("restricted", [False, True])
def test_a_metric_is_what_sampling_the_bilinear_sphere_finds(
    metric: Metric, restricted: bool, rng: np.random.Generator
) -> None:
    # In a row of texels the midpoint rule has 100 cells: it errs by 1e-4 / 24 of the curvature
    a, b = rng.lognormal(0, 1, (2, 9, 7, 3))
    weights = rng.uniform(0, 1, (9, 7)) if restricted else np.ones((9, 7))
    found = metric(a, b, weights=weights if restricted else None)
    assert found == pytest.approx(SLOW[metric](a, b, weights), rel=1e-5)


# What every metric has in common


@pytest.mark.parametrize("name", [*METRICS, "compare_maps"])
def test_maps_of_unequal_shape_have_no_error(name: str) -> None:
    with pytest.raises(ValueError, match="unequal shape"):
        getattr(metrics, name)(np.ones((2, 3, 3)), np.ones((3, 2, 3)))


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize(
    ("shape", "weights", "message"),
    [
        ((4, 4), None, "must have shape"),
        ((4, 4, 4), None, "must have shape"),
        ((4, 5, 3), np.ones((5, 4)), "weights of unequal shape"),
        ((4, 5, 3), np.zeros((4, 5)), "leave no texel"),
    ],
)
def test_what_cannot_be_weighed_has_no_error(
    name: str, shape: tuple[int, ...], weights: Map | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        getattr(metrics, name)(np.ones(shape), np.ones(shape), weights=weights)


@pytest.mark.parametrize("name", METRICS)
def test_texels_without_weight_do_not_matter(name: str, rng: np.random.Generator) -> None:
    metric = getattr(metrics, name)
    estimate, truth = rng.lognormal(0, 2, (2, 8, 10, 3))
    weights = np.ones((8, 10))
    weights[:, 6:] = 0
    changed = estimate.copy()
    changed[:, 6:] = 1e6
    found = [metric(texels, truth, weights=weights) for texels in (estimate, changed)]
    assert str(found[0]) == str(found[1])
    assert str(found[0]) != str(metric(changed, truth))


@pytest.mark.parametrize("metric", ZERO_FOR_THE_TRUTH)
def test_every_error_is_zero_for_the_true_map_and_grows_with_the_change(
    metric: Metric, rng: np.random.Generator
) -> None:
    truth, change = rng.uniform(0.5, 2, (2, 6, 9, 3))
    errors = [metric(truth + step * change, truth) for step in (0, 0.1, 0.2)]
    assert errors[0] == pytest.approx(0, abs=1e-12)
    assert 1e-12 < errors[1] < errors[2]


def test_turning_both_maps_changes_no_error(rng: np.random.Generator) -> None:
    estimate, truth = rng.lognormal(0, 2, (2, 8, 12, 3))
    turned = [np.roll(texels, 5, axis=1) for texels in (estimate, truth)]
    found, expected = compare_maps(*turned), compare_maps(estimate, truth)
    assert found.pop("lights") == pytest.approx(expected.pop("lights"))
    assert found.pop("energy_ratio") == pytest.approx(expected.pop("energy_ratio"))
    assert found == pytest.approx(expected)


def test_the_errors_of_constant_maps() -> None:
    found = compare_maps(np.full((5, 8, 3), 3.0), np.full((5, 8, 3), 2.0))
    assert found.pop("energy_ratio") == pytest.approx([1.5, 1.5, 1.5])
    assert found.pop("lights") == {
        "ground_truth": 0,
        "estimate": 0,
        "missed": 0,
        "extra": 0,
        "direction_mean_deg": None,
        "direction_max_deg": None,
    }
    assert found == pytest.approx(
        {
            "sse": 120,
            "rmse": 1,
            "relative_rmse": 1 / math.sqrt(4.01),
            "log_rmse": math.log(3.01 / 2.01),
            "si_rmse": 0,
            "angular_mean_deg": 0,
            "angular_median_deg": 0,
            "psnr_db": -20 * math.log10(0.5 * 1.5 ** (1 / 2.4) - 0.5),
        }
    )


def test_a_scaled_map_has_the_right_colours_and_proportions(rng: np.random.Generator) -> None:
    truth = rng.lognormal(0, 2, (9, 12, 3))
    found = compare_maps(5 * truth, truth)
    assert found["si_rmse"] == pytest.approx(0, abs=1e-12 * truth.max())
    assert found["angular_mean_deg"] == pytest.approx(0, abs=1e-6)
    assert found["energy_ratio"] == pytest.approx([5, 5, 5])
    assert found["rmse"] == pytest.approx(4 * rmse(0 * truth, truth))


def test_a_map_turned_by_half_is_as_bright_but_elsewhere(rng: np.random.Generator) -> None:
    truth = np.ones((9, 12, 3))
    truth[:, :6] = (3, 0, 0)
    found = compare_maps(np.roll(truth, 6, axis=1), truth)
    assert found["energy_ratio"] == pytest.approx([1, 1, 1])
    assert found["angular_mean_deg"] == pytest.approx(math.degrees(math.acos(1 / math.sqrt(3))))
    assert found["rmse"] == pytest.approx(math.sqrt((2**2 + 1 + 1) / 3))


# What holds for all maps

positive_pairs = st_np.arrays(np.float64, (2, 4, 5, 3), elements=st.floats(0.01, 100))


@settings(max_examples=25)
@given(pair=pairs)
def test_neither_map_comes_first(pair: Map) -> None:
    for metric in (rmse, log_rmse, angular_error, median_angular_error):
        assert metric(*pair) == pytest.approx(metric(*pair[::-1]), rel=1e-9, abs=1e-9)


@settings(max_examples=25)
@given(pair=pairs, factor=st.floats(0.01, 100))
def test_errors_in_radiance_grow_with_the_unit(pair: Map, factor: float) -> None:
    for metric in (rmse, si_rmse):
        expected = factor * metric(*pair)
        assert metric(*(factor * pair)) == pytest.approx(expected, rel=1e-6, abs=1e-6 * factor)


@settings(max_examples=25)
@given(pair=positive_pairs, factor=st.floats(0.01, 100))
def test_errors_without_a_unit_do_not_depend_on_it(pair: Map, factor: float) -> None:
    for metric in (angular_error, median_angular_error, tonemapped_psnr, energy_ratio):
        # A PSNR of maps that are equal but for rounding is infinite or some 300 dB.
        expected, found = (np.minimum(metric(*maps), 300) for maps in (pair, factor * pair))
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)


@settings(max_examples=25)
@given(
    pair=pairs,
    weights=st_np.arrays(np.float64, (3, 5), elements=st.floats(0.1, 1)),
    row=st.integers(1, 2),
)
def test_squared_errors_of_two_parts_make_that_of_the_whole(
    pair: Map, weights: Map, row: int
) -> None:
    upper = np.arange(3)[:, None] < row
    solid_angles = texel_solid_angles(3, 5) * weights
    for metric in (rmse, relative_rmse, log_rmse):
        total = 0.0
        for part in (upper, ~upper):
            share = np.sum(solid_angles * part) / np.sum(solid_angles)
            total += share * metric(*pair, weights=weights * part) ** 2
        assert metric(*pair, weights=weights) ** 2 == pytest.approx(total, rel=1e-9, abs=1e-12)


@settings(max_examples=25)
@given(pair=positive_pairs)
def test_the_energy_ratio_the_other_way_is_the_reciprocal(pair: Map) -> None:
    np.testing.assert_allclose(energy_ratio(*pair) * energy_ratio(*pair[::-1]), 1, rtol=1e-12)
