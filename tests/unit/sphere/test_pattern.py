from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from envmap_inverse.sphere.pattern import draw_pattern
from envmap_inverse.sphere.projections import Cube

FACES = ["+X", "-X", "+Y", "-Y", "+Z", "-Z"]
AXES = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], float)
UPS = np.array([[0, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, -1], [0, 1, 0], [0, 1, 0]], float)
"""Where the arrow of each face points."""


def look(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Look at the pattern."""
    face = 256
    return Cube(6 * face, face).look_up(draw_pattern(face).astype(np.float32))(directions)


def shown(direction: NDArray[np.float64]) -> tuple[int, ...]:
    """The colour of the pattern in a direction, 8 bits."""
    return tuple(int(level) for level in np.rint(look(direction)))


def test_the_six_faces_have_colours_of_their_own() -> None:
    corner = np.tan(np.deg2rad(38))  # between the grid and the border
    found = {
        shown(axis + corner * up + corner * np.cross(axis, up))
        for axis, up in zip(AXES, UPS, strict=True)
    }
    assert len(found) == 6
    assert (255, 255, 255) not in found


@pytest.mark.parametrize("number", range(6), ids=FACES.__getitem__)
def test_the_arrow_of_a_face_is_above_its_centre(number: int) -> None:
    axis, up = AXES[number], UPS[number]
    arrow = np.tan(np.deg2rad(29))
    assert shown(axis + arrow * up) == (255, 255, 255)
    assert shown(axis - arrow * up) != (255, 255, 255)


@pytest.mark.parametrize("number", range(6), ids=FACES.__getitem__)
def test_the_sign_is_left_of_the_letter_for_one_who_looks_there(number: int) -> None:
    """A sign has less ink than a letter."""
    axis, up = AXES[number], UPS[number]
    s, t = np.meshgrid(np.linspace(0.02, 0.6, 30), np.linspace(-0.4, 0.2, 30))
    right = s[..., None] * np.cross(axis, up)
    ink = [look(axis + side * right + t[..., None] * up).mean() for side in (-1, 1)]
    assert ink[0] < ink[1]


def test_the_pattern_has_eight_bits() -> None:
    pattern = draw_pattern(64)
    assert pattern.shape == (384, 64, 3)
    assert pattern.dtype == np.uint8
    assert pattern[6, 6, 0] == 214
