"""Place crops of a sensor's picture in the film: where they are said to lie, or are found."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import Faults, InputError
from envmap_inverse.images.matching import Masked, best_offset
from envmap_inverse.problem.cutting import part_of
from envmap_inverse.problem.fitting import has_aspect, resized
from envmap_inverse.problem.registration import log_light, moved
from envmap_inverse.problem.view import View
from envmap_inverse.scene.scene import Scene
from envmap_inverse.scene.windows import Window

__all__ = ["Crop", "place_crops"]

MAX_PIXELS = 2**20
"""Pixels from which pictures are averaged down to find one in the other."""

LEAST_LIKENESS = 0.6
"""Correlation of a crop with what it is a part of."""

WHOLE = 0.02
"""Part of a pixel that does not count."""

_LOGGER = logging.getLogger(__name__)

Size = tuple[int, int]


class Crop(NamedTuple):
    """The part of a film that a picture shows, in the film's pixels."""

    x: float
    y: float
    width: float
    height: float


def place_crops(
    scene: Scene, views: Sequence[View], crops: Sequence[Crop | None] = ()
) -> tuple[View, ...]:
    """Make all pictures of a sensor pictures of its whole film, masked where they show nothing.

    A picture that is said to be a crop is placed there. Another one is taken for a crop of the
    largest picture of its sensor if their shapes differ, and is looked for in that one.

    Args:
        scene: its films are not changed.
        views: the pictures as they were read.
        crops: which part of its sensor's film each shows; None if that is not said.

    Raises:
        InputError: if a crop reaches beyond the film, does not have its picture's shape, or a
            picture is not found in the other.
    """
    said = crops or [None] * len(views)
    faults = Faults()
    placed = [
        faults.attempt(_placed_as_said, scene, view, crop) or view
        for view, crop in zip(views, said, strict=True)
    ]
    faults.report()
    for sensor in sorted({view.sensor for view in views}):
        numbers = [number for number, view in enumerate(placed) if view.sensor == sensor]
        film = scene.film_size(sensor)
        whole = max(
            (placed[number] for number in numbers),
            key=lambda view: (has_aspect(_size_of(view), film), view.image.size),
        )
        for number in numbers:
            view = placed[number]
            if not has_aspect(_size_of(view), _size_of(whole)):
                placed[number] = faults.attempt(_found_in, whole, view) or view
    faults.report()
    return tuple(placed)


def _placed_as_said(scene: Scene, view: View, crop: Crop | None) -> View:
    if crop is None:
        return view
    film, (width, height) = scene.film_size(view.sensor), _size_of(view)
    words = f"--crop {','.join(f'{number:g}' for number in crop)}"
    if crop.x + crop.width > film[0] + 0.5 or crop.y + crop.height > film[1] + 0.5:
        raise InputError(
            f"{words}: reaches beyond the film of sensor {view.sensor}, which has {film[0]} x "
            f"{film[1]} pixels"
        )
    scale = width / crop.width
    if abs(scale * crop.height - height) > 1 + scale:
        raise InputError(
            f"{words}: {view.name} is {width} x {height}, of another shape; give the part of the "
            "film that it shows"
        )
    canvas = round(scale * film[0]), round(scale * film[1])
    return _on_canvas(view, canvas, scale * crop.x, scale * crop.y)


def _found_in(whole: View, view: View) -> View:
    """A crop placed where another picture shows the same."""
    sizes = _size_of(whole), _size_of(view)
    factor = int(np.ceil((max(w * h for w, h in sizes) / MAX_PIXELS) ** 0.5))
    offset = best_offset(_small_log(whole, factor), _small_log(view, factor))
    if offset is None or offset.likeness < LEAST_LIKENESS:
        (width, height), (own_width, own_height) = sizes
        raise InputError(
            f"{view.name}: is {own_width} x {own_height}, but {whole.name}, of the same sensor "
            f"{view.sensor}, is {width} x {height}, and does not show the same anywhere; say which "
            "part of the film it shows with --crop X,Y,W,H, or name the sensor of each with "
            "--sensor"
        )
    x, y = -factor * offset.x, -factor * offset.y
    _LOGGER.info("%s: found in %s at x %.0f, y %.0f", view.name, whole.name, x, y)
    return _on_canvas(view, sizes[0], x, y)


def _small_log(view: View, factor: int) -> Masked:
    """The log light of a picture, averaged down by a factor."""
    width, height = (side // factor for side in _size_of(view))
    if factor > 1:
        window = Window(x=0, y=0, width=factor * width, height=factor * height)
        view = resized(part_of(view, window), width, height)
    return log_light(view)


def _on_canvas(view: View, size: Size, x: float, y: float) -> View:
    """The view as a part of a larger picture, from (x, y) on; all else is masked."""
    left, top = round(x), round(y)
    rows, to_rows = _overlap(top, len(view.mask), size[1])
    columns, to_columns = _overlap(left, view.mask.shape[1], size[0])

    def pasted(array: NDArray[Any]) -> NDArray[Any]:
        canvas = np.zeros((size[1], size[0], *array.shape[2:]), array.dtype)
        canvas[to_rows, to_columns] = array[rows, columns]
        return canvas

    mask = pasted(view.mask)
    if not mask.any():
        raise InputError(f"{view.name}: lies outside the film; check its --crop")
    whole = replace(
        view,
        image=pasted(view.image),
        mask=mask,
        over=pasted(view.is_over),
        under=pasted(view.is_under),
        crop=(x, y, *_size_of(view)),
    )
    if max(abs(x - left), abs(y - top)) <= WHOLE:
        return whole
    return replace(moved(whole, left - x, top - y), shift=None)


def _overlap(first: int, length: int, side: int) -> tuple[slice, slice]:
    """What of a side lies on a canvas's side if it begins at `first`: there, and on the canvas."""
    start, place = max(-first, 0), max(first, 0)
    common = max(min(length - start, side - place), 0)
    return slice(start, start + common), slice(place, place + common)


def _size_of(view: View) -> Size:
    return view.image.shape[1], view.image.shape[0]
