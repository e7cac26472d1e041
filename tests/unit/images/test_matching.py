"""Where one image lies in another."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from envmap_inverse.images.matching import Masked, best_offset, refined_offset

SIDE = 48


@pytest.fixture(scope="module")
def texture() -> NDArray[np.float64]:
    noise = np.random.default_rng(3).standard_normal((160, 160))
    return np.asarray(20 * ndimage.gaussian_filter(noise, 2.5))


def seen(
    texture: NDArray[np.float64],
    x: float,
    y: float,
    *,
    side: int = SIDE,
    noise: float = 0.0,
    seed: int = 0,
) -> Masked:
    """The texture from (50 + x, 50 + y) on."""
    grid = np.meshgrid(*(np.arange(side) + 50 + shift for shift in (y, x)), indexing="ij")
    values = ndimage.map_coordinates(texture, grid, order=3)
    values = values + noise * np.random.default_rng(seed).standard_normal(values.shape)
    return values.astype(np.float32), np.ones(values.shape, bool)


def test_a_whole_offset_is_found_exactly(texture: NDArray[np.float64]) -> None:
    found = best_offset(seen(texture, 0, 0), seen(texture, -3, 7))
    assert found is not None
    assert (found.x, found.y) == (3, -7)
    assert found.likeness == pytest.approx(1, abs=1e-6)


def test_a_gain_and_an_offset_of_the_values_make_no_difference(
    texture: NDArray[np.float64],
) -> None:
    values, counts = seen(texture, 4, 2)
    found = best_offset(seen(texture, 0, 0), (0.3 * values + 8, counts))
    assert found is not None
    assert (found.x, found.y) == (-4, -2)


def test_what_does_not_count_is_left_out(texture: NDArray[np.float64]) -> None:
    first, second = seen(texture, 0, 0), seen(texture, 2, -5)
    for masked, clipped in ((first, first[0] > 1), (second, second[0] < -1)):
        masked[0][clipped] = 50
        masked[1][clipped] = False
    found = best_offset(first, second)
    assert found is not None
    assert (found.x, found.y) == (-2, 5)


def test_a_part_is_found_in_the_whole(texture: NDArray[np.float64]) -> None:
    found = best_offset(seen(texture, -30, -30, side=110), seen(texture, 5, 20, side=30))
    assert found is not None
    assert (found.x, found.y) == (-35, -50)


def test_the_reach_bounds_the_offset(texture: NDArray[np.float64]) -> None:
    found = best_offset(seen(texture, 0, 0), seen(texture, 12, 0), reach=4)
    assert found is not None
    assert max(abs(found.x), abs(found.y)) <= 4
    assert found.likeness < 0.9


@pytest.mark.parametrize("masked", ["flat", "nothing"])
def test_images_that_tell_nothing_have_no_offset(texture: NDArray[np.float64], masked: str) -> None:
    flat = np.ones((SIDE, SIDE), np.float32), np.full((SIDE, SIDE), masked == "flat")
    assert best_offset(seen(texture, 0, 0), flat) is None


@pytest.mark.parametrize(("x", "y"), [(0.0, 0.0), (0.5, -0.3), (-2.25, 1.8), (9.4, 0.1)])
def test_least_squares_finds_a_part_of_a_pixel(
    texture: NDArray[np.float64], x: float, y: float
) -> None:
    pair = seen(texture, 0, 0, noise=0.02), seen(texture, -x, -y, noise=0.02, seed=1)
    start = best_offset(*pair, reach=12)
    assert start is not None
    found = refined_offset(*pair, start)
    assert np.hypot(found.x - x, found.y - y) < 4 * found.deviation < 0.1


def test_what_moved_between_the_images_hardly_matters(texture: NDArray[np.float64]) -> None:
    first, second = seen(texture, 0, 0), seen(texture, -0.4, 0.6)
    second[0][10:20, 10:20] += 3
    start = best_offset(first, second, reach=3)
    assert start is not None
    found = refined_offset(first, second, start)
    assert np.hypot(found.x - 0.4, found.y + 0.6) < 0.05


def test_an_image_without_detail_keeps_the_start(texture: NDArray[np.float64]) -> None:
    start = best_offset(seen(texture, 0, 0), seen(texture, 1, 0))
    assert start is not None
    flat = np.ones((SIDE, SIDE), np.float32), np.ones((SIDE, SIDE), bool)
    assert refined_offset(flat, flat, start) == start
