"""The outline of a ball in crops of several pictures, by the one that shows it best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from envmap_inverse.images.matching import Masked, Offset, best_offset, refined_offset
from envmap_inverse.problem.registration import LEAST_LIKENESS, log_light, offsets
from envmap_inverse.problem.view import View
from envmap_inverse.sphere.circles import Circle

__all__ = ["by_the_clearest"]

INSIDE = 0.97
"""Share of the radius within which the pictures are compared: what the ball mirrors."""

REACH = 8
"""Pixels by which outlines may be wrong beside one another."""


def by_the_clearest(views: Sequence[View], circles: Sequence[Circle]) -> list[Circle]:
    """The outlines, but for one radius, and as far from one another as what the pictures show.

    Outlines are found to a pixel or so, and worse where a picture is dark or clipped. What the ball
    mirrors tells to a part of a pixel how crops of one camera's pictures lie. The outline of the
    picture that shows it most clearly stands for all.

    Args:
        views: of one viewpoint, of any sizes.
        circles: as they were found.

    Returns:
        The outlines; that of a picture that is like none of the others as it was found.
    """
    logs = [_within(view, circle) for view, circle in zip(views, circles, strict=True)]

    def compare(base: int, number: int) -> Offset | None:
        one, other = circles[base], circles[number]
        reach = REACH + int(max(abs(other.x - one.x), abs(other.y - one.y)))
        near = best_offset(logs[base], logs[number], reach=reach)
        if near is None or near.likeness < LEAST_LIKENESS:
            return None
        return refined_offset(logs[base], logs[number], near)

    known = offsets([counts for _, counts in logs], compare)
    clearest = max(known, key=lambda number: circles[number].significance)
    found, place = list(circles), known[clearest]
    for number, offset in known.items():
        x, y = offset.x - place.x, offset.y - place.y
        found[number] = replace(
            circles[clearest], x=circles[clearest].x + x, y=circles[clearest].y + y
        )
    return found


def _within(view: View, circle: Circle) -> Masked:
    """The logarithm of a picture's light, and which pixels tell of it within an outline."""
    values, counts = log_light(view)
    rows, columns = np.indices(counts.shape)
    away = np.hypot(columns + 0.5 - circle.x, rows + 0.5 - circle.y)
    return values, counts & (away < INSIDE * circle.radius)
