from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from envmap_inverse.console.ball_outlines import seen_together
from envmap_inverse.problem.view import View
from envmap_inverse.sphere.circles import Circle

CENTRES = ((46.3, 45.1), (44.6, 47.0), (45.8, 43.9))
RADIUS = 40.0


def crop(centre: tuple[float, float], number: int, seed: int) -> View:
    """A textured disc round a place, of its own size and exposure."""
    texture = np.random.default_rng(seed).normal(0, 1, (120, 120))
    texture = ndimage.gaussian_filter(texture, 2)
    y, x = np.indices((94 + number, 92)) + 0.5
    seen = ndimage.map_coordinates(texture, [y - centre[1] + 60, x - centre[0] + 60], order=3)
    inside = np.hypot(x - centre[0], y - centre[1]) < RADIUS
    light = np.where(inside, 0.2 * np.exp(4 * seen), 0.02) * 0.6**number
    return View(image=np.repeat(light[:, :, None], 3, axis=2).astype(np.float32))


def found(errors: tuple[tuple[float, float, float], ...]) -> list[Circle]:
    """The outlines, off by so many pixels in x, y and radius; the second is the clearest."""
    return [
        Circle(x=x + dx, y=y + dy, radius=RADIUS + dr, significance=20 if number == 1 else 9)
        for number, ((x, y), (dx, dy, dr)) in enumerate(zip(CENTRES, errors, strict=True))
    ]


def test_outlines_lie_as_what_the_ball_mirrors_does() -> None:
    views = [crop(centre, number, seed=3) for number, centre in enumerate(CENTRES)]
    outlines = seen_together(views, found(((2.0, -3.0, 1.5), (0, 0, 0), (-1.0, 2.5, -1.0))))
    for outline, (x, y) in zip(outlines, CENTRES, strict=True):
        assert np.hypot(outline.x - x, outline.y - y) < 0.1
        assert outline.radius == pytest.approx(RADIUS, abs=0.2)


def test_a_picture_of_something_else_keeps_its_outline() -> None:
    views = [crop(centre, number, seed=3) for number, centre in enumerate(CENTRES[:2])]
    views.append(crop(CENTRES[2], 2, seed=4))
    outlines = found(((0.5, 0, 1), (0, 0, 0), (1, 1, 1)))
    placed = seen_together(views, outlines)
    assert placed[2] == outlines[2]
    assert placed[0].radius == pytest.approx(RADIUS, abs=0.2)


def test_the_exposure_of_a_picture_makes_no_difference() -> None:
    views = [crop(centre, 0, seed=3) for centre in CENTRES[:2]]
    darker = [views[0], replace(views[1], image=views[1].image / 8)]
    outlines = found(((1, 1, 0), (0, 0, 0), (0, 0, 0)))[:2]
    for one, other in zip(
        seen_together(views, outlines), seen_together(darker, outlines), strict=True
    ):
        assert (one.x, one.y) == pytest.approx((other.x, other.y), abs=0.02)


def test_shaken_pictures_of_a_size_have_the_outline_that_fits_them_all() -> None:
    centres = ((44.0, 47.0), (47.0, 44.5), (47.5, 45.0))
    views = [crop(centre, 0, seed=3) for centre in centres]
    x, y = np.mean(centres, axis=0)
    shared = Circle(x=x + 0.5, y=y - 0.4, radius=RADIUS - 0.8, significance=9)
    for outline in seen_together(views, [shared] * 3):
        assert (outline.x, outline.y) == pytest.approx(centres[0], abs=0.15)
        assert outline.radius == pytest.approx(RADIUS, abs=0.2)
