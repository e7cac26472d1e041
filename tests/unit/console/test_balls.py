"""Outlines of one ball in pictures of several sizes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from envmap_inverse import InputError
from envmap_inverse.console import balls
from envmap_inverse.problem.view import View
from envmap_inverse.sphere.circles import Circle

OUTLINE, RING, RIGHT_HERE = 40.0, 25.0, 104
"""Radii, and the width of the one picture in which the outline is found by itself."""


def circle(radius: float, significance: float = np.inf) -> Circle:
    return Circle(x=50, y=50, radius=radius, significance=significance)


@pytest.fixture
def views(monkeypatch: pytest.MonkeyPatch) -> list[View]:
    """Four pictures; a ring is clearer in each of three alone, but the outline agrees in all."""

    def found(views: Sequence[View], near: Circle | None = None) -> Circle:
        width = views[0].image.shape[1]
        if near is None:
            return circle(OUTLINE, 17) if width == RIGHT_HERE else circle(RING + width / 10, 18)
        return circle(near.radius, 16 if near.radius == OUTLINE else 9)

    monkeypatch.setattr(balls, "_found", found)
    return [View(np.ones((100, width, 3))) for width in (100, 101, 102, RIGHT_HERE)]


def test_the_circle_that_agrees_in_all_pictures_is_taken(views: list[View]) -> None:
    assert [c.radius for c in balls.find_balls(views, [None] * 4)] == [OUTLINE] * 4


def test_a_circle_that_is_given_says_what_the_others_look_like(views: list[View]) -> None:
    given = circle(30.0)
    found = balls.find_balls(views, [given, None, None, None])
    assert [c.radius for c in found] == [30] * 4


def test_a_given_circle_outside_its_picture_is_refused(views: list[View]) -> None:
    with pytest.raises(InputError, match=r"sticks out of the picture by 40\.0 pixels"):
        balls.find_balls(views, [circle(90.0)] * 4)


@pytest.mark.parametrize("fov", [179.9999, 1e-6])
def test_a_camera_inside_the_ball_or_out_of_reach_is_refused(fov: float) -> None:
    view = View(np.ones((100, 100, 3)), name="x.png")
    with pytest.raises(InputError, match=r"x\.png: the camera would be .* radii .*\(--fov\)"):
        balls.Lens(fov=fov).shot(view, circle(40.0))
