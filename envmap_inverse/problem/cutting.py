"""Cut big pictures and their films down to the window that says something about the map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.problem.view import View
from envmap_inverse.scene.integrators import path_settings
from envmap_inverse.scene.scene import Scene
from envmap_inverse.scene.windows import (
    SHARP,
    Window,
    bounding_window,
    filter_reach,
    pixels_on_objects,
)

__all__ = ["cut_films", "part_of"]

WORTH = 0.5
"""Share of a picture that a window leaves, at most, for it to be cut."""

SURROUNDINGS = 0.05
"""Margin round the objects, as a share of the window, that shows whether the camera is right."""

LEAST_MARGIN = 4
"""Pixels of that margin, at least."""

_MOVABLE = ("PerspectiveCamera",)
_KINDS = (*SHARP, "ThinLensCamera")
"""Sensors that can be moved after their films are cut, and those whose films can be cut."""


def cut_films(scene: Scene, views: Sequence[View], *, moves: bool = False) -> tuple[View, ...]:
    """Cut films and pictures down to the window in which pixels count.

    A pixel does not count if it is masked in all pictures of its sensor; nor, where the integrator
    hides the map from the camera, outside the rectangle of the objects, as nothing is seen there
    whatever the map is. What is left over costs as much as a crop that is made by hand. Films are
    cut only where half of their pixels or more can be spared.

    Args:
        scene: its films get crop windows.
        views: with pictures of the size of their films.
        moves: whether the scene's objects or cameras will be moved, so that what they hide is not
            known yet.

    Returns:
        The views, each with the window of it that is left.
    """
    windows: dict[int, Window | None] = {}
    for sensor in sorted({view.sensor for view in views}):
        masks = [view.mask for view in views if view.sensor == sensor]
        windows[sensor] = window = _window(scene, sensor, masks, moves=moves)
        if window is not None:
            scene.cut_film(window.x, window.y, window.width, window.height, sensor)
    return tuple(_cut(view, windows[view.sensor]) for view in views)


def part_of(view: View, window: Window) -> View:
    """The view of a window of a picture; nothing of the rest is kept."""
    over, under = (
        None if flags is None else np.ascontiguousarray(window.of(flags))
        for flags in (view.over, view.under)
    )
    return replace(
        view,
        image=np.ascontiguousarray(window.of(view.image)),
        mask=np.ascontiguousarray(window.of(view.mask)),
        over=over,
        under=under,
        window=window,
    )


def _cut(view: View, window: Window | None) -> View:
    return view if window is None else part_of(view, window)


def _window(
    scene: Scene, sensor: int, masks: Sequence[NDArray[np.float32]], *, moves: bool
) -> Window | None:
    """The window of a sensor's film that is worth cutting out; None if it is all needed."""
    found = scene.sensor(sensor)
    kind = found.class_name()
    if kind not in (_MOVABLE if moves else _KINDS):
        return None
    margin = filter_reach(found)
    counts = np.logical_or.reduce([mask > 0 for mask in masks])
    if not moves and kind in SHARP and _hides_map(scene):
        counts &= _near_objects(scene, found, margin)
    window = bounding_window(counts)
    if window is None:
        return None
    window = window.widened(margin, counts.shape)
    return window if window.width * window.height <= WORTH * counts.size else None


def _near_objects(scene: Scene, sensor: Any, margin: int) -> NDArray[np.bool_]:
    """The rectangle of the objects with a margin, as pixels of the image, shape (h, w).

    All pixels if no object is there: what is wrong is reported elsewhere.
    """
    hits = pixels_on_objects(scene.mi_scene, sensor)
    objects = bounding_window(hits)
    if objects is None:
        return np.ones_like(hits)
    around = LEAST_MARGIN + margin + int(SURROUNDINGS * max(objects.width, objects.height))
    inside = np.zeros_like(hits)
    objects.widened(around, hits.shape).of(inside)[:] = True
    return inside


def _hides_map(scene: Scene) -> bool:
    """Whether the camera sees nothing of the map but by way of objects."""
    try:
        return path_settings(scene).hide_emitters
    except InputError:
        return False
