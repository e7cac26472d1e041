"""The outline of a ball that pictures of one viewpoint show together."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from envmap_inverse.images.matching import Masked, Offset, best_offset, refined_offset
from envmap_inverse.problem.cutting import part_of
from envmap_inverse.problem.fitting import resized
from envmap_inverse.problem.registration import LEAST_LIKENESS, log_light, offsets
from envmap_inverse.problem.view import View
from envmap_inverse.scene.windows import Window
from envmap_inverse.sphere.circles import Circle, Look, refined_circle

__all__ = ["look_at", "seen_together"]

INSIDE = 0.97
"""Share of the radius within which the pictures are compared: what the ball mirrors."""

REACH = 8
"""Pixels by which outlines may be wrong beside one another."""

TRUST = 1.0
"""Pixels by which the outline fitted to all pictures may differ from the one on which two agree:
glare at the rim of a long exposure can draw it away."""

MAX_RADIUS = 256
"""Pixels of the radius from which pictures are averaged down to be compared."""


_Outline = tuple[Circle, float]
"""An outline in the clearest picture, and by how many pixels those that show it are shaken."""


def look_at(view: View, x: float = 0.0, y: float = 0.0) -> Look:
    """A view in which a ball is looked for, shifted by so many pixels."""
    return Look(image=view.image, white=view.white, x=x, y=y)


def seen_together(views: Sequence[View], circles: Sequence[Circle]) -> list[Circle]:
    """Outlines of one radius, as far from one another as what the pictures show.

    Outlines are found to a pixel or so, and worse where a picture is dark or clipped. What the ball
    mirrors tells to a part of a pixel how the pictures lie, be they shifted or crops. The outline
    on which two pictures agree best stands for all, and is fitted to all of them.

    Args:
        views: of one viewpoint, of any sizes. Those of one size are of one sensor.
        circles: as they were found.

    Returns:
        The outlines; of pictures of one size that of the first, onto which the others are moved;
        that of a picture that is like none of the others as it was found.
    """
    factor = max(1, int(max(circle.radius for circle in circles) / MAX_RADIUS))
    left = max(0, math.floor(min(c.x - c.radius for c in circles)))
    top = max(0, math.floor(min(c.y - c.radius for c in circles)))
    smaller = [_reduced(circle, left, top, factor) for circle in circles]
    logs = [
        _within(view, circle, left, top, factor)
        for view, circle in zip(views, smaller, strict=True)
    ]

    def compare(base: int, number: int) -> Offset | None:
        one, other = smaller[base], smaller[number]
        reach = REACH + int(max(abs(other.x - one.x), abs(other.y - one.y)))
        near = best_offset(logs[base], logs[number], reach=reach)
        if near is None or near.likeness < LEAST_LIKENESS:
            return None
        return refined_offset(logs[base], logs[number], near)

    known = offsets([counts for _, counts in logs], compare)
    clearest = max(known, key=lambda number: circles[number].significance)
    away = {
        number: (factor * (offset.x - known[clearest].x), factor * (offset.y - known[clearest].y))
        for number, offset in known.items()
    }
    agreed, shaken = _agreed(_outlines(views, circles, away))
    looks = [look_at(views[number], *away[number]) for number in sorted(away, key=clearest.__ne__)]
    fitted = refined_circle(looks, agreed)
    outline = fitted if _apart(fitted, agreed) < TRUST + shaken else agreed
    found = list(circles)
    for number in known:
        first = next(k for k in sorted(known) if views[k].image.shape == views[number].image.shape)
        x, y = away[first]
        found[number] = _moved(outline, x, y)
    return found


def _outlines(
    views: Sequence[View], circles: Sequence[Circle], away: Mapping[int, tuple[float, float]]
) -> list[_Outline]:
    """The outline that was found in the pictures of each size, and how far these are shaken.

    It was found in them as if none was shifted, so it is taken to lie in the middle of them.

    Args:
        views: the pictures.
        circles: as they were found.
        away: how far what each picture shows lies from where it lies in the clearest one.
    """
    found = []
    for size in {views[number].image.shape: None for number in away}:
        alike = [number for number in away if views[number].image.shape == size]
        shifts = np.array([away[number] for number in alike])
        x, y = (float(mean) for mean in shifts.mean(axis=0))
        shaken = float(np.hypot(*(shifts - (x, y)).T).max())
        found.append((_moved(circles[alike[0]], -x, -y), shaken))
    return found


def _agreed(outlines: Sequence[_Outline]) -> _Outline:
    """The clearer of the two outlines that agree best."""
    own = sorted(outlines, key=lambda outline: -outline[0].significance)
    pairs = itertools.combinations(own, 2)
    return min(pairs, key=lambda pair: _apart(pair[0][0], pair[1][0]), default=(own[0],))[0]


def _apart(one: Circle, other: Circle) -> float:
    """Pixels between two outlines: of their centres and radii."""
    return math.hypot(one.x - other.x, one.y - other.y, one.radius - other.radius)


def _moved(circle: Circle, x: float, y: float) -> Circle:
    return replace(circle, x=circle.x + x, y=circle.y + y)


def _reduced(circle: Circle, left: int, top: int, factor: int) -> Circle:
    return replace(circle, x=circle.x - left, y=circle.y - top).scaled(1 / factor)


def _within(view: View, circle: Circle, left: int, top: int, factor: int) -> Masked:
    """The logarithm of a part's light, and which pixels tell of it within an outline.

    Args:
        view: the whole picture.
        circle: the outline in the part averaged down.
        left: columns left of the part.
        top: rows above it.
        factor: size of the part's pixels when it is averaged down.
    """
    height, width, _ = view.image.shape
    reach = math.ceil(circle.radius) + REACH
    columns = min((width - left) // factor, math.ceil(circle.x) + reach)
    rows = min((height - top) // factor, math.ceil(circle.y) + reach)
    window = Window(x=left, y=top, width=columns * factor, height=rows * factor)
    values, counts = log_light(resized(part_of(view, window), columns, rows))
    y, x = np.indices(counts.shape) + 0.5
    return values, counts & (np.hypot(x - circle.x, y - circle.y) < INSIDE * circle.radius)
