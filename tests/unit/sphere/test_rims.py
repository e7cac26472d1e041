"""The outline of a mirror ball where its rim shows what is right behind it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from envmap_inverse.sphere.rims import Channel, fit_rim

TRUE = np.array([50.3, 44.6, 30.4])


def picture() -> NDArray[Any]:
    """Logarithm of a ball seen from afar, before the same far surroundings that it mirrors.

    The surroundings are functions of the angles right and up from the line of sight; the mirror
    turns the light by twice the angle of its normal.
    """
    texture = np.random.default_rng(3).normal(size=(400, 400))
    texture = sum(ndimage.gaussian_filter(texture, s, mode="wrap") * s for s in (2, 5))
    y, x = (np.indices((360, 400)) + 0.5) / 4
    right, down = (x - TRUE[0]) / TRUE[2], (y - TRUE[1]) / TRUE[2]
    off = np.hypot(right, down)
    # Degrees from the direction behind the ball; beside the ball 10 degrees a radius.
    angle = np.where(off < 1, 180 - 2 * np.degrees(np.arcsin(np.minimum(off, 1))), 0) + 10 * off
    where = [side / np.maximum(off, 1e-9) * angle / 0.5 for side in (down, right)]
    fine = ndimage.map_coordinates(texture, where, order=1, mode="grid-wrap")
    return np.asarray(fine.reshape(90, 4, 100, 4).mean(axis=(1, 3)) / np.std(fine))


def fitted(light: NDArray[Any], circle: NDArray[Any]) -> NDArray[Any]:
    start = (float(circle[0]), float(circle[1]), float(circle[2]))
    channel = Channel(light=light / light.max())
    return np.array(fit_rim([channel], start, inwards=3.0, outwards=3.0))


@pytest.mark.parametrize("offset", [(0.6, -0.4, -0.8), (-0.5, 0.5, 1.8)])
def test_a_rim_without_an_edge_is_found_within_a_third_of_a_pixel(
    offset: tuple[float, ...],
) -> None:
    found = fitted(np.exp(0.5 * picture()), TRUE + offset)
    assert abs(found - TRUE).max() < 0.33


def test_an_edge_is_found_within_a_fifth_of_a_pixel() -> None:
    y, x = np.indices((90, 100)) + 0.5
    disc = np.clip(TRUE[2] - np.hypot(x - TRUE[0], y - TRUE[1]) + 0.5, 0, 1)
    noise = np.random.default_rng(4).normal(0, 0.01, disc.shape)
    start = TRUE + np.array([1.0, -0.5, 1.0])
    assert abs(fitted(0.2 + 0.6 * disc + noise, start) - TRUE).max() < 0.2


def test_a_circle_that_no_picture_shows_stays_where_it_is() -> None:
    outside = np.array([500.0, 400.0, 30.0])
    np.testing.assert_array_equal(fitted(picture(), outside), outside)
