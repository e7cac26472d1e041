"""Where a camera stands that took a picture of an object, and which way it looks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.scene.cameras import Camera

__all__ = ["Box", "Viewpoint", "is_inside"]

Array = NDArray[np.float64]
Box = tuple[float, float, float, float]
"""Left, top, right and bottom side in pixels from a picture's upper left corner."""

FILLED = 0.9
"""Share of the picture that an object fills in width or height, if nothing says where it is."""

AXES = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}

INSIDE = 0.9
"""Winding number, of the 1 of a closed surface, from which a place counts as inside."""


@dataclass(frozen=True, kw_only=True)
class Viewpoint:
    """A camera in front of an object, in the object's own units and axes.

    Without `origin` the camera looks at the object from `azimuth` and `elevation`, from where it
    just fills the picture: from +z, with +y up, unless said otherwise.

    Attributes:
        fov: horizontal field of view of the whole picture in degrees.
        origin: where the camera is, (x, y, z) or "x/y/z".
        target: the point in the middle of the picture, (x, y, z) or "x/y/z"; by default the
            middle of the object. Only with `origin`.
        up: the axis that points up, "x", "y", "z", or a direction (x, y, z) or "x/y/z".
        azimuth: degrees about `up` from the object's front, which is +z, or -y if z is up;
            counterclockwise seen from above, so that at 90 the camera is on the +x side.
        elevation: degrees above the horizon.

    Example:
        >>> ei.Viewpoint(fov=40, azimuth=30).elevation
        0.0
    """

    fov: float
    origin: str | tuple[float, float, float] | None = None
    target: str | tuple[float, float, float] | None = None
    up: str | tuple[float, float, float] = "y"
    azimuth: float = 0.0
    elevation: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not 0 < self.fov < 180:
            raise InputError(f"fov must be above 0 and below 180 degrees; found {self.fov:g}")
        if not (math.isfinite(self.azimuth) and -90 < self.elevation < 90):
            raise InputError("azimuth and elevation are degrees, elevation between -90 and 90")
        if self.origin is None and self.target is not None:
            raise InputError("target needs origin, the place of the camera")
        if self.origin is not None and (self.azimuth or self.elevation):
            raise InputError("origin takes the place of azimuth and elevation; give one of them")
        origin, target = self._point("origin"), self._point("target")
        if not np.linalg.norm(self._up):
            raise InputError("up must be a direction; found 0/0/0")
        if origin is not None and target is not None and np.allclose(origin, target):
            raise InputError("origin and target are the same point")

    def camera(
        self, name: str, size: tuple[int, int], vertices: ArrayLike, box: Box | None = None
    ) -> Camera:
        """The camera that took a picture.

        Args:
            name: of the camera.
            size: (width, height) of the picture in pixels.
            vertices: of the object in the scene, `upright`; shape (n, 3).
            box: the part of the picture that the object fills, where that is known; by default
                nine tenths of it in width or height. It counts only without `origin`.

        Returns:
            It with a pose in the scene's axes.

        Raises:
            InputError: if the object is not in the picture.
        """
        points = np.asarray(vertices, np.float64)
        width, height = size
        focal = width / 2 / math.tan(math.radians(self.fov) / 2)
        fixed = self.place
        if fixed is None:
            axes = _axes(-self._from())
            sides = (np.array(box or _inset(size)) - np.tile([width / 2, height / 2], 2)) / focal
            origin = _standing(points @ axes, sides, axes)
        else:
            origin = fixed
            target = self._point("target")
            middle = (points.min(axis=0) + points.max(axis=0)) / 2
            axes = _axes((middle if target is None else self.upright @ target) - origin)
            _check_in_picture((points - origin) @ axes, focal, size)
        to_world = np.eye(4)
        to_world[:3, :3], to_world[:3, 3] = axes, origin
        return Camera(
            name=name,
            width=width,
            height=height,
            focal_lengths=(focal, focal),
            principal_point=(width / 2, height / 2),
            to_world=to_world,
        )

    @property
    def place(self) -> Array | None:
        """`origin` in the axes of the scene."""
        origin = self._point("origin")
        return None if origin is None else self.upright @ origin

    @property
    def upright(self) -> Array:
        """Rotation (3, 3) from the object's own axes to those of the scene.

        In the scene `up` is +y, the zenith of the map, and the object's front +z.
        """
        up = self._up / np.linalg.norm(self._up)
        front = np.array([0.0, -1.0, 0.0] if abs(up[2]) > 0.9 else [0.0, 0.0, 1.0])
        front -= up * (front @ up)
        front /= np.linalg.norm(front)
        return np.stack([np.cross(up, front), up, front])

    def _point(self, name: str) -> Array | None:
        value = getattr(self, name)
        return None if value is None else _numbers(name, value)

    @property
    def _up(self) -> Array:
        named = AXES.get(self.up) if isinstance(self.up, str) else None
        return _numbers("up", named or self.up)

    def _from(self) -> Array:
        """Unit vector from the object to the camera, by azimuth and elevation."""
        azimuth, elevation = math.radians(self.azimuth), math.radians(self.elevation)
        level = math.cos(elevation)
        return np.array([level * math.sin(azimuth), math.sin(elevation), level * math.cos(azimuth)])


def is_inside(place: ArrayLike, vertices: ArrayLike, faces: ArrayLike) -> bool:
    """Whether a place is inside a closed surface, by the solid angle that the surface fills.

    The angle of each triangle is that of van Oosterom and Strackee, "The solid angle of a plane
    triangle", 1983.

    Args:
        place: shape (3,).
        vertices: shape (n, 3).
        faces: indices of vertices, shape (m, 3).
    """
    corners = (np.asarray(vertices, np.float64) - np.asarray(place, np.float64))[np.asarray(faces)]
    a, b, c = corners.swapaxes(0, 1)
    lengths = np.linalg.norm(corners, axis=2).T
    volume = np.einsum("ij,ij->i", a, np.cross(b, c))
    below = (
        lengths.prod(axis=0)
        + np.einsum("ij,ij->i", a, b) * lengths[2]
        + np.einsum("ij,ij->i", b, c) * lengths[0]
        + np.einsum("ij,ij->i", c, a) * lengths[1]
    )
    turns = 2 * np.arctan2(volume, below).sum() / (4 * math.pi)
    return bool(abs(turns) > INSIDE)


def _axes(ahead: Array) -> Array:
    """The axes of a level camera that looks that way, as columns: right, up, backwards."""
    length = np.linalg.norm(ahead)
    if not length:
        raise InputError("origin is the middle of the object; give another one, or target")
    ahead = ahead / length
    right = np.cross(ahead, [0.0, 1.0, 0.0])
    if np.linalg.norm(right) < 1e-6:
        raise InputError("the camera looks along up; give another up, e.g. up=z")
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(right, ahead), -ahead], axis=1)


def _numbers(name: str, value: Any) -> Array:
    try:
        parts = value.split("/") if isinstance(value, str) else value
        point = np.array([float(part) for part in parts], np.float64)
    except (TypeError, ValueError):
        point = np.empty(0)
    if point.shape != (3,) or not np.isfinite(point).all():
        raise InputError(f"{name} must be three numbers, x/y/z; found {value!r}")
    return point


def _inset(size: tuple[int, int]) -> Box:
    (width, height), margin = size, (1 - FILLED) / 2
    return margin * width, margin * height, (1 - margin) * width, (1 - margin) * height


def _standing(points: Array, sides: Array, axes: Array) -> Array:
    """Where a camera stands that sees an object fill a box as far as it can.

    Args:
        points: of the object, along the camera's axes.
        sides: left, top, right and bottom side of the box over the focal length, from the middle.
        axes: the camera's, as columns.
    """
    depth = -points[:, 2]
    places = []
    for across, near, far in ((points[:, 0], sides[0], sides[2]), (-points[:, 1], *sides[1::2])):
        # A point is seen at (across - shift) / (distance + depth), between near and far.
        last, first = (across - far * depth).max(), (across - near * depth).min()
        places.append((first, last, near, far))
    distance = max((last - first) / (far - near) for first, last, near, far in places)
    right, down = (
        (first + last) / 2 - (near + far) / 2 * distance for first, last, near, far in places
    )
    return np.asarray(axes @ np.array([right, -down, distance]))


def _check_in_picture(points: Array, focal: float, size: tuple[int, int]) -> None:
    """Refuse a camera in whose picture no vertex of the object is.

    Args:
        points: in the camera's axes.
        focal: length in pixels.
        size: (width, height) of the picture.
    """
    ahead = points[points[:, 2] < 0]
    if not len(ahead):
        raise InputError("the object is not in the picture: it is behind the camera")
    seen = ahead[:, :2] / -ahead[:, 2:] * focal
    half = np.array(size) / 2
    if (seen.min(axis=0) > half).any() or (seen.max(axis=0) < -half).any():
        x, y = (seen.min(axis=0) + seen.max(axis=0)) / 2 * [1, -1] + half
        raise InputError(
            f"the object is not in the picture of {size[0]} x {size[1]} pixels: it is round "
            f"x {x:.0f}, y {y:.0f}; check origin, target and fov"
        )
