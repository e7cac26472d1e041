"""Resize a sensor's film without moving what it sees."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from envmap_inverse.backend import mi
from envmap_inverse.errors import InputError, check_counts, in_short
from envmap_inverse.scene.limits import MAX_SIDE

__all__ = [
    "cut_film",
    "drop_crop_window",
    "exact_size",
    "has_crop_window",
    "keeping_film",
    "scaled_size",
    "set_film_size",
    "window_size",
]

Size = tuple[int, int]

MAX_SHIFT = 0.05
"""Pixels by which the image of a thin lens may move for its film to be whole pixels."""

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

    A scaled crop window would not end between two pixels, so that the window becomes a film of its
    own: with the field of view and the principal point of the window where the sensor is
    `perspective`, as a part of the `to_world` of one that is `orthographic`. A `thinlens` has no
    principal point, and keeps a window; see `exact_size`.

    Args:
        sensor: a `mi.Sensor`.
        size: (width, height).

    Raises:
        InputError: if a side is not positive, or a sensor of this kind cannot show the same at this
            size.
    """
    if len(size) != 2:
        raise InputError(f"size: give (width, height); found {in_short(size)}")
    check_counts(width=size[0], height=size[1], most=MAX_SIDE)
    if size == window_size(sensor):
        return
    params, window = mi.traverse(sensor), _Window.of(sensor)
    if "principal_point_offset_x" in params:
        _refilm_perspective(params, window, size)
    elif sensor.class_name() == "ThinLensCamera":
        _check_thin_lens(sensor, size)
        _refilm_thin_lens(params, window, size)
    elif sensor.class_name() == "OrthographicCamera" and window.is_part:
        _refilm_orthographic(params, window, size)
    else:
        _check_batch(sensor, window, size)
        _set_size(params, size)
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


def cut_film(sensor: Any, x: int, y: int, size: Size) -> None:
    """Make the image of a `mi.Sensor` a window of the present one; its pixels see the same.

    Args:
        sensor: of a kind that has a field of view: `perspective`, `thinlens` or `orthographic`.
        x: columns left of the window.
        y: rows above it.
        size: its (width, height).
    """
    params, window = mi.traverse(sensor), _Window.of(sensor)
    left, top = window.offset
    _set_size(params, size, full=window.film, offset=(left + x, top + y))
    params.update()


def drop_crop_window(sensor: Any) -> None:
    """Make the crop window of a `perspective` sensor a film of its own, which sees the same."""
    params = mi.traverse(sensor)
    if has_crop_window(sensor) and "principal_point_offset_x" in params:
        _refilm_perspective(params, _Window.of(sensor), window_size(sensor))
        params.update()


def exact_size(sensor: Any, size: Size) -> Size:
    """The largest size, up to a given one, at which a sensor can show the same.

    It is smaller than `size` only for an off-centre crop window of a `thinlens` sensor, whose axis
    passes through the middle or the edge of a pixel.

    Args:
        sensor: a `mi.Sensor`.
        size: (width, height).

    Raises:
        InputError: if no size from half of it on will do.
    """
    if sensor.class_name() != "ThinLensCamera":
        return size
    window, longer = _Window.of(sensor), max(size)
    for side in range(longer, longer // 2, -1):
        found = scaled_size(size, side)
        if window.shift_in_halves(found) <= MAX_SHIFT:
            return found
    raise InputError(
        f"the crop window of a thinlens sensor cannot be shown at {_words(size)} pixels, nor at "
        "half that, without a shift; crop at the film's centre, or use a 'perspective' sensor"
    )


@dataclass(frozen=True, kw_only=True)
class _Window:
    """A film and the part of it that is the image, each (x, y) in pixels.

    Attributes:
        film: sides of the whole film.
        crop: sides of the window.
        offset: of the window's upper left corner.
    """

    film: tuple[int, int]
    crop: tuple[int, int]
    offset: tuple[int, int]

    @classmethod
    def of(cls, sensor: Any) -> _Window:
        film = sensor.film()
        pairs = film.size(), film.crop_size(), film.crop_offset()
        full, crop, offset = ((int(x), int(y)) for x, y in pairs)
        return cls(film=full, crop=crop, offset=offset)

    @property
    def is_part(self) -> bool:
        """Whether the window is smaller than the film."""
        return self.film != self.crop

    @property
    def centre(self) -> tuple[float, float]:
        """Position of the window's centre from the film's, in pixels."""
        (x, y), (u, v), (width, height) = self.offset, self.crop, self.film
        return x + u / 2 - width / 2, y + v / 2 - height / 2

    def centre_at(self, size: Size) -> tuple[float, float]:
        """The same at another size of the window, in its pixels, which stay square."""
        factor = size[0] / self.crop[0]
        x, y = self.centre
        return factor * x, factor * y

    def shift_in_halves(self, size: Size) -> float:
        """Pixels between this centre and the nearest whole number of half pixels."""
        return max(abs(2 * place - round(2 * place)) / 2 for place in self.centre_at(size))


def _refilm_perspective(params: Any, window: _Window, size: Size) -> None:
    """Make the whole film, at a new size, show what the window shows.

    The principal point is a share of the view: as wide as the window, and as high as the new aspect
    makes it.
    """
    seen = window.crop[0], window.crop[0] * size[1] / size[0]
    names = "principal_point_offset_x", "principal_point_offset_y"
    for name, centre, whole, part in zip(names, window.centre, window.film, seen, strict=True):
        params[name] = mi.Float((centre + float(params[name][0]) * whole) / part)
    _widen(params, window.crop[0] / window.film[0])
    _set_size(params, size)


def _refilm_thin_lens(params: Any, window: _Window, size: Size) -> None:
    """Show a window of the new size at the right distance from the centre of the smallest film."""
    halves = [round(2 * place) for place in window.centre_at(size)]
    full = [side + abs(half) for side, half in zip(size, halves, strict=True)]
    _widen(params, full[0] / size[0] * window.crop[0] / window.film[0])
    _set_size(params, size, full=full, offset=[max(half, 0) for half in halves])


def _refilm_orthographic(params: Any, window: _Window, size: Size) -> None:
    """Move and scale what the whole film shows, 2 wide before `to_world`, to the window."""
    unit = 2 / window.film[0]
    x, y = window.centre
    share = window.crop[0] / window.film[0]
    part = mi.ScalarTransform4f().translate([-unit * x, -unit * y, 0]).scale([share, share, 1])
    params["to_world"] = mi.AffineTransform4f(params["to_world"] @ mi.Transform4f(part))
    _set_size(params, size)


def _check_thin_lens(sensor: Any, size: Size) -> None:
    """Refuse a size at which a thin lens would not show the same."""
    fits = exact_size(sensor, size)
    if fits != size:
        raise InputError(
            f"the crop window of a thinlens sensor cannot be shown at {_words(size)} pixels "
            f"without a shift; ask for {_words(fits)}, crop at the film's centre, or use a "
            "'perspective' sensor"
        )


def _check_batch(sensor: Any, window: _Window, size: Size) -> None:
    """Refuse another aspect for several sensors side by side, whose pictures it would stretch."""
    if sensor.class_name() != "BatchSensor":
        return
    fits = scaled_size(window.crop, max(size))
    if fits != size:
        raise InputError(
            f"the film of a batch sensor of {_words(window.crop)} pixels cannot become "
            f"{_words(size)}, of another aspect; give a picture of {_words(fits)}"
        )


def _widen(params: Any, factor: float) -> None:
    """Scale the width of the view by a factor."""
    if factor != 1:
        slope = math.tan(math.radians(float(params["x_fov"][0])) / 2) * factor
        params["x_fov"] = mi.Float(math.degrees(2 * math.atan(slope)))


def _set_size(
    params: Any, size: Size, *, full: Sequence[int] = (), offset: Sequence[int] = (0, 0)
) -> None:
    params["film.size"], params["film.crop_size"] = list(full or size), list(size)
    params["film.crop_offset"] = list(offset)


def _words(size: Size) -> str:
    return f"{size[0]} x {size[1]}"
