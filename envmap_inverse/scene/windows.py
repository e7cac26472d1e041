"""Windows: the parts of pictures and films that matter."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.backend import dr, mi
from envmap_inverse.scene.films import window_size

__all__ = ["SHARP", "Window", "bounding_window", "filter_reach", "pixels_on_objects"]

SHARP = ("PerspectiveCamera", "OrthographicCamera")
"""Sensors of which a ray shows what a pixel sees."""

MAX_RAYS = 2**20
"""Rays that are traced at a time."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """A part of a picture, in whole pixels.

    Attributes:
        x: columns left of it.
        y: rows above it.
        width: its columns.
        height: its rows.
    """

    x: int
    y: int
    width: int
    height: int

    def of(self, image: NDArray[Any]) -> NDArray[Any]:
        """Cut it out of an array of shape (h, w, ...)."""
        return image[self.y : self.y + self.height, self.x : self.x + self.width]

    @property
    def place(self) -> tuple[int, int, int, int]:
        """(x, y, width, height)."""
        return self.x, self.y, self.width, self.height

    def widened(self, margin: int, shape: tuple[int, ...]) -> Window:
        """The window with a margin, as far as an image of a shape (h, w) reaches."""
        left, top = max(self.x - margin, 0), max(self.y - margin, 0)
        right = min(self.x + self.width + margin, shape[1])
        bottom = min(self.y + self.height + margin, shape[0])
        return Window(x=left, y=top, width=right - left, height=bottom - top)

    def __str__(self) -> str:
        """Its size and place."""
        return f"{self.width} x {self.height} pixels from x {self.x}, y {self.y}"


def bounding_window(counts: NDArray[np.bool_]) -> Window | None:
    """The smallest window with all pixels that count, shape (h, w); None if none does."""
    if not counts.any():
        return None
    rows, columns = (np.flatnonzero(counts.any(axis=axis)) for axis in (1, 0))
    return Window(
        x=int(columns[0]),
        y=int(rows[0]),
        width=int(columns[-1] - columns[0] + 1),
        height=int(rows[-1] - rows[0] + 1),
    )


def filter_reach(sensor: Any) -> int:
    """Pixels round one from which its reconstruction filter takes light."""
    return max(math.ceil(float(sensor.film().rfilter().radius()) - 0.5), 0)


def pixels_on_objects(mi_scene: Any, sensor: Any) -> NDArray[np.bool_]:
    """The pixels of a `mi.Sensor` whose middle shows a surface, shape (h, w)."""
    width, height = window_size(sensor)
    hits = np.empty(width * height, bool)
    for start in range(0, width * height, MAX_RAYS):
        count = min(MAX_RAYS, width * height - start)
        number = dr.arange(mi.UInt32, count) + dr.opaque(mi.UInt32, start)
        row = number // width
        place = mi.Point2f(mi.Float(number - row * width) + 0.5, mi.Float(row) + 0.5)
        place /= mi.Point2f(width, height)
        time = mi.Float(sensor.shutter_open())
        ray, _ = sensor.sample_ray_differential(time, 0, place, mi.Point2f(0.5))
        found = mi_scene.ray_intersect_preliminary(mi.Ray3f(ray), coherent=True).is_valid()
        hits[start : start + count] = found.numpy()
    return hits.reshape(height, width)
