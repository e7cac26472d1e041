"""Resize a sensor's film without moving what it sees."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from envmap_inverse.backend import mi
from envmap_inverse.errors import InputError

__all__ = [
    "drop_crop_window",
    "has_crop_window",
    "keeping_film",
    "scaled_size",
    "set_film_size",
    "window_size",
]

Size = tuple[int, int]

_OF_FILM = (
    *("film.size", "film.crop_size", "film.crop_offset"),
    *("principal_point_offset_x", "principal_point_offset_y"),
)


def window_size(sensor: Any) -> Size:
    """(width, height) in pixels of the image that a `mi.Sensor` takes: its crop window."""
    width, height = sensor.film().crop_size()
    return int(width), int(height)


def has_crop_window(sensor: Any) -> bool:
    """Whether the image is only a part of the film."""
    return tuple(map(int, sensor.film().size())) != window_size(sensor)


def scaled_size(size: Size, longer_side: int) -> Size:
    """The size with this longer side and the same aspect, to the nearest pixel."""
    factor = longer_side / max(size)
    width, height = (max(1, round(factor * side)) for side in size)
    return width, height


def set_film_size(sensor: Any, size: Size) -> None:
    """Set the size of a sensor's image in pixels.

    The centre of the image and its horizontal field of view stay, and so does the vertical one if
    the aspect stays; with another aspect there is more or less to see above and below. Mitsuba
    reads a film of that size in the same way, unless `fov_axis` names another axis than x.

    A crop window of a `perspective` sensor becomes a film of its own, with the field of view and
    the principal point of the window, as a scaled window would not end between two pixels.

    Args:
        sensor: a `mi.Sensor`.
        size: (width, height).

    Raises:
        InputError: if a side is not positive, or the aspect of a crop window would change for a
            sensor that has no principal point.
    """
    if min(size) < 1:
        raise InputError(f"a film has at least 1 x 1 pixels; found {size[0]} x {size[1]}")
    if size == window_size(sensor):
        return
    params = mi.traverse(sensor)
    if "principal_point_offset_x" in params:
        _refilm(params, size)
    elif has_crop_window(sensor):
        _scale_window(params, size)
    else:
        params["film.size"] = params["film.crop_size"] = list(size)
    params.update()


@contextmanager
def keeping_film(sensor: Any) -> Iterator[None]:
    """Restore a sensor's film, bit by bit, when the context ends."""
    params = mi.traverse(sensor)
    before = {key: _copied(params[key]) for key in _OF_FILM if key in params}
    try:
        yield
    finally:
        params.update(before)


def _copied(value: Any) -> Any:
    return type(value)(value)


def drop_crop_window(sensor: Any) -> None:
    """Make the crop window of a `perspective` sensor a film of its own, which sees the same."""
    params = mi.traverse(sensor)
    if has_crop_window(sensor) and "principal_point_offset_x" in params:
        _refilm(params, window_size(sensor))
        params.update()


def _refilm(params: Any, size: Size) -> None:
    """Make the whole film, at a new size, show what the crop window shows.

    With F the film's sides, o and c the offset and sides of the window, all in pixels, and p the
    principal point's offset, the window's centre is o + c / 2 - F / 2 + p F from the axis. This is
    the new p, as a share of the view: c[0] wide, and as high as the new aspect makes it.
    """
    full, crop, offset = (list(params[f"film.{k}"]) for k in ("size", "crop_size", "crop_offset"))
    seen = crop[0], crop[0] * size[1] / size[0]
    for axis, name in enumerate(("principal_point_offset_x", "principal_point_offset_y")):
        centre = offset[axis] + crop[axis] / 2 - full[axis] / 2
        centre += float(params[name][0]) * full[axis]
        params[name] = mi.Float(centre / seen[axis])
    if crop[0] != full[0]:
        slope = math.tan(math.radians(float(params["x_fov"][0])) / 2) * crop[0] / full[0]
        params["x_fov"] = mi.Float(math.degrees(2 * math.atan(slope)))
    params["film.size"] = params["film.crop_size"] = list(size)
    params["film.crop_offset"] = [0, 0]


def _scale_window(params: Any, size: Size) -> None:
    """Scale film and crop window together, to the nearest pixel."""
    full, crop, offset = (list(params[f"film.{k}"]) for k in ("size", "crop_size", "crop_offset"))
    factor = max(size) / max(crop)
    if scaled_size((crop[0], crop[1]), max(size)) != size:
        raise InputError(
            f"a crop window of {crop[0]} x {crop[1]} pixels cannot become {size[0]} x {size[1]}: "
            "only a 'perspective' sensor's may change its aspect"
        )
    full = [max(round(factor * f), c) for f, c in zip(full, size, strict=True)]
    most = [whole - part for whole, part in zip(full, size, strict=True)]
    params["film.size"], params["film.crop_size"] = full, list(size)
    params["film.crop_offset"] = [
        min(round(factor * o), m) for o, m in zip(offset, most, strict=True)
    ]
