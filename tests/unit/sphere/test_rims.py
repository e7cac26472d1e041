"""The outline of a mirror ball where its rim shows what is right behind it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from envmap_inverse.sphere.rims import fit_rim

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


@pytest.mark.parametrize("offset", [(0.6, -0.4, -0.8), (-0.5, 0.5, 0.5)])
def test_a_rim_without_an_edge_is_found_within_half_a_pixel(offset: tuple[float, ...]) -> None:
    found = fit_rim([0.5 * picture()], TRUE + offset)
    assert abs(found - TRUE).max() < 0.5


def test_an_edge_stays_where_it_is() -> None:
    y, x = np.indices((90, 100)) + 0.5
    disc = np.clip(TRUE[2] - np.hypot(x - TRUE[0], y - TRUE[1]) + 0.5, 0, 1)
    noise = np.random.default_rng(4).normal(0, 0.01, disc.shape)
    np.testing.assert_array_equal(fit_rim([disc + noise], TRUE), TRUE)


def test_a_small_circle_is_left_alone() -> None:
    small = np.array([50.0, 40.0, 4.0])
    np.testing.assert_array_equal(fit_rim([picture()], small), small)
