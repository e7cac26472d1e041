"""The outline of a ball is found in pictures that NumPy draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from envmap_inverse.sphere.circles import Circle, Look, find_circle

Image = NDArray[Any]
SIZE = 140, 110


def scenery(seed: int, scale: float) -> Image:
    """A smooth coloured picture, (h, w, 3)."""
    width, height = SIZE
    noise = np.random.default_rng(seed).normal(size=(height, width, 3))
    layers = [ndimage.gaussian_filter(noise, (s, s, 0)) * s for s in (scale, 4 * scale)]
    layers[0] += layers[0].mean(axis=2, keepdims=True)
    return np.asarray(np.exp(0.4 * sum(layers) / np.std(layers)))


def picture(x: float, y: float, radius: float) -> Image:
    """A mirror ball before a background; what it mirrors is smaller towards its rim."""
    rows, columns = (np.indices((SIZE[1] * 4, SIZE[0] * 4)) + 0.5) / 4
    right, down = (columns - x) / radius, (rows - y) / radius
    off = np.minimum(np.hypot(right, down), 1)
    angle = 2 * np.arcsin(off) / np.maximum(off, 1e-9) / np.pi
    where = [(side * angle + 1) / 2 * 100 for side in (down, right)]
    around = np.stack(
        [
            ndimage.map_coordinates(plane, where, order=1, mode="nearest")
            for plane in np.moveaxis(1.5 * scenery(1, 6), 2, 0)
        ],
        axis=-1,
    )
    behind = scenery(2, 4).repeat(4, axis=0).repeat(4, axis=1)
    inside = (np.hypot(right, down) < 1)[:, :, None]
    fine = np.where(inside, 0.9 * around, behind)
    lamp = np.hypot(columns - x - 0.3 * radius, rows - y + 0.4 * radius) < 0.12 * radius
    fine[lamp] = 60
    return fine.reshape(SIZE[1], 4, SIZE[0], 4, 3).mean(axis=(1, 3)).astype(np.float32)


def eight_bits(image: Image, factor: float) -> Image:
    values = np.rint(255 * np.clip(factor * image, 0, 1) ** (1 / 2.2)) / 255
    return np.asarray(values**2.2, np.float32)


def off_by(circle: Circle | None, x: float, y: float, radius: float) -> float:
    assert circle is not None
    return max(abs(circle.x - x), abs(circle.y - y), abs(circle.radius - radius))


@pytest.mark.slow
@pytest.mark.parametrize("true", [(71.3, 54.8, 45.2), (45.6, 60.1, 30.7)])
def test_the_outline_is_found_within_a_third_of_a_pixel(true: tuple[float, float, float]) -> None:
    found = find_circle([Look(image=picture(*true), white=None)])
    assert off_by(found, *true) < 0.3


@pytest.mark.slow
def test_a_clipped_bracket_is_looked_at_together() -> None:
    true = (80.4, 52.3, 40.6)
    bracket = [eight_bits(picture(*true), factor) for factor in (1, 0.25, 0.05)]
    assert off_by(find_circle([Look(image=image, white=0.99) for image in bracket]), *true) < 0.3


@pytest.mark.slow
def test_a_ball_partly_out_of_the_picture_sticks_out_or_is_not_found() -> None:
    found = find_circle([Look(image=picture(22.0, 55.0, 40.0), white=None)])
    assert found is None or found.overhang(*SIZE) > 1


def test_a_plain_picture_has_no_ball() -> None:
    y, x = np.indices((40, 60))
    plain = np.repeat((1 + 0.01 * x + 0.02 * y)[:, :, None], 3, axis=2)
    for image in (plain.astype(np.float32), np.zeros((40, 60, 3), np.float32)):
        assert find_circle([Look(image=image, white=None)]) is None


def test_overhang_is_negative_inside_and_positive_outside() -> None:
    circle = Circle(x=10, y=10, radius=6)
    assert circle.overhang(20, 20) == -4
    assert circle.overhang(14, 20) == 2
