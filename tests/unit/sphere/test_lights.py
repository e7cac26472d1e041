from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from envmap_inverse.sphere.latlong import direction_to_uv, texel_directions, texel_solid_angles
from envmap_inverse.sphere.lights import Lights, find_lights, match_lights

Map = NDArray[np.float64]
Texel = tuple[int, int]


def lights_of(texels: Map) -> Lights:
    return find_lights(texels, texel_solid_angles(*texels.shape[:2]))


def dark_map_with(*bright: Texel, shape: tuple[int, int] = (13, 24)) -> Map:
    texels = np.full((*shape, 3), 1e-3)
    for texel in bright:
        texels[texel] = 1
    return texels


# A second search for lights: a flood fill


def neighbours(texel: Texel, height: int, width: int) -> Iterator[Texel]:
    row, column = texel
    for down, right in itertools.product((-1, 0, 1), (-1, 0, 1)):
        if 0 <= row + down < height:
            yield row + down, (column + right) % width
    if row in {0, height - 1}:
        yield from ((row, other) for other in range(width))


def flood_fill(bright: NDArray[np.bool_]) -> list[set[Texel]]:
    left = {(int(row), int(column)) for row, column in np.argwhere(bright)}
    blobs = []
    while left:
        blob, border = set(), [left.pop()]
        while border:
            texel = border.pop()
            blob.add(texel)
            new = left & set(neighbours(texel, *bright.shape))
            left -= new
            border += new
        blobs.append(blob)
    return blobs


@given(seed=st.integers(0, 10**6), height=st.integers(3, 9), width=st.integers(1, 9))
def test_the_lights_are_the_blobs_of_a_flood_fill(seed: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    texels = np.where(rng.random((height, width, 1)) < 0.2, rng.uniform(50, 90), 1.0) * np.ones(3)
    energy = texels[..., 0] * texel_solid_angles(height, width)
    directions = texel_directions(height, width)
    expected = []
    for blob in flood_fill(texels[..., 0] > 3 * energy.sum() / (4 * np.pi)):
        moment = sum(energy[texel] * directions[texel] for texel in blob)
        share = sum(energy[texel] for texel in blob) / energy.sum()
        if share >= 0.01 and np.linalg.norm(moment) > 1e-6 * share * energy.sum():
            expected.append((share, *(moment / np.linalg.norm(moment))))
    found = lights_of(texels)
    columns = np.column_stack([found.shares, found.directions])
    assert (np.diff(found.shares) <= 0).all()
    np.testing.assert_allclose(
        sorted(columns.round(9).tolist()), sorted(np.round(expected, 9).tolist()), atol=2e-9
    )


# By hand


def test_a_constant_map_has_no_light() -> None:
    for value in (0, 0.3, 7):
        assert len(lights_of(np.full((6, 8, 3), value)).shares) == 0


def test_a_lamp_across_the_seam_is_one_light() -> None:
    found = lights_of(dark_map_with((6, 0), (6, 23)))
    np.testing.assert_allclose(found.directions, [(0, 0, -1)], atol=1e-9)


def test_texels_that_touch_at_a_corner_are_one_light() -> None:
    assert len(lights_of(dark_map_with((6, 3), (7, 4))).shares) == 1
    assert len(lights_of(dark_map_with((6, 0), (7, 23))).shares) == 1
    assert len(lights_of(dark_map_with((6, 3), (8, 4))).shares) == 2


def test_a_lamp_at_the_zenith_is_one_light_whatever_texels_it_has() -> None:
    bright = [(row, column) for row in (0, 1) for column in range(24)]
    found = lights_of(dark_map_with(*bright))
    np.testing.assert_allclose(found.directions, [(0, 1, 0)], atol=1e-9)


def test_a_lamp_over_the_pole_is_one_light() -> None:
    found = lights_of(dark_map_with((1, 5), (0, 5), (0, 17), (1, 17)))
    np.testing.assert_allclose(found.directions, [(0, 1, 0)], atol=1e-9)


def test_a_ring_round_the_sphere_is_no_light() -> None:
    ring = [(6, column) for column in range(24)]
    assert len(lights_of(dark_map_with(*ring)).shares) == 0


def test_a_light_too_weak_to_matter_is_none() -> None:
    texels = dark_map_with((6, 4), (6, 14))
    texels[6, 4] *= 200
    assert len(lights_of(texels).shares) == 1


def test_the_brightest_light_comes_first() -> None:
    texels = dark_map_with((6, 4), (6, 14))
    texels[6, 14] *= 2
    found = lights_of(texels)
    assert direction_to_uv(found.directions[0])[0] == pytest.approx(14.5 / 24)
    assert found.shares[0] == pytest.approx(2 * found.shares[1])


def test_the_centre_of_a_light_lies_nearer_to_its_brighter_side() -> None:
    texels = dark_map_with((6, 4), (6, 5))
    texels[6, 5] *= 3
    u, _ = direction_to_uv(lights_of(texels).directions[0])
    assert u == pytest.approx((5 + 0.25) / 24, abs=0.01 / 24)


def test_left_out_texels_hold_no_light() -> None:
    texels = dark_map_with((6, 4), (6, 14))
    solid_angles = texel_solid_angles(13, 24)
    solid_angles[:, :10] = 0
    found = find_lights(texels, solid_angles)
    assert direction_to_uv(found.directions[0])[0] == pytest.approx(14.5 / 24)
    assert len(found.shares) == 1


# Matching


def turned(*degrees: float) -> Lights:
    """Lights along the horizon."""
    angles, count = np.radians(degrees), len(degrees)
    return Lights(
        directions=np.stack([np.cos(angles), np.zeros(count), np.sin(angles)], axis=1),
        shares=np.full(count, 1 / max(count, 1)),
        solid_angles=np.ones(count),
        irradiances=np.ones((count, 3)),
    )


def test_the_sum_of_angles_is_the_least_of_all_permutations(rng: np.random.Generator) -> None:
    for _ in range(20):
        first, second = rng.uniform(0, 25, (2, 4))
        least = min(
            sum(abs(a - b) for a, b in zip(first, order, strict=True))
            for order in itertools.permutations(second)
        )
        pairs, degrees = match_lights(turned(*first), turned(*second))
        assert len(pairs) == 4
        assert degrees.sum() == pytest.approx(least)


def test_the_nearest_light_is_left_to_another_if_that_is_better_for_both() -> None:
    pairs, degrees = match_lights(turned(0, 10), turned(9, 25))
    assert sorted(map(tuple, pairs.tolist())) == [(0, 0), (1, 1)]
    assert sorted(degrees) == pytest.approx([9, 15])


def test_lights_far_apart_stay_alone() -> None:
    pairs, degrees = match_lights(turned(0, 100, 200), turned(40, 205))
    assert pairs.tolist() == [[2, 1]]
    assert degrees == pytest.approx([5])


@pytest.mark.parametrize(("first", "second"), [((), ()), ((5,), ()), ((), (5, 6))])
def test_no_lights_have_no_pairs(first: tuple[float, ...], second: tuple[float, ...]) -> None:
    pairs, degrees = match_lights(turned(*first), turned(*second))
    assert pairs.shape == (0, 2)
    assert degrees.shape == (0,)


angles = st.lists(st.floats(0, 359), max_size=5)


@settings(max_examples=25)
@given(first=angles, second=angles)
def test_each_light_has_one_partner_at_most_and_both_maps_agree_on_it(
    first: list[float], second: list[float]
) -> None:
    pairs, degrees = match_lights(turned(*first), turned(*second))
    for column in pairs.T:
        assert len(set(column.tolist())) == len(column)
    assert (degrees < 30).all()
    back, other_degrees = match_lights(turned(*second), turned(*first))
    # Of several best pairings either may come, with lone lights counted as 30 degrees.
    costs = [
        np.sum(d) + 30 * (min(len(first), len(second)) - len(d)) for d in (degrees, other_degrees)
    ]
    assert costs[0] == pytest.approx(costs[1], abs=1e-6)
    assert back.shape[1] == 2


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), factor=st.floats(1e-3, 1e3))
def test_lights_stand_out_whatever_the_unit(seed: int, factor: float) -> None:
    texels = np.random.default_rng(seed).lognormal(0, 2, (7, 10, 3))
    found, scaled = lights_of(texels), lights_of(factor * texels)
    np.testing.assert_allclose(scaled.directions, found.directions, atol=1e-9)
    np.testing.assert_allclose(scaled.shares, found.shares, rtol=1e-9)
    np.testing.assert_allclose(scaled.irradiances, factor * found.irradiances, rtol=1e-9)
