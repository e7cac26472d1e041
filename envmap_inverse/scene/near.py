"""Light that is near: a map on a sphere or a box of finite size round the scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from envmap_inverse.backend import dr, mi
from envmap_inverse.errors import InputError, check_positive, in_short

__all__ = ["NearBox", "NearSphere", "Surroundings", "surroundings_of"]

_EXAMPLES = "give sphere:R, or box:X,Y,Z, the size of a room, in the scene's units"


@dataclass(frozen=True, kw_only=True)
class NearSphere:
    """The map's light stands on a sphere, whose points are seen from its centre as on the map.

    Attributes:
        radius: in the scene's units.
        centre: None for that of the scene's bounding box.

    Example:
        >>> scene.surroundings = ei.NearSphere(radius=4)
        >>> ei.render(scene, spp=4).shape
        (8, 8, 3)
        >>> scene.surroundings = None
    """

    radius: float
    centre: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        _check("radius", [self.radius])
        _check_centre(self.centre)

    def holds(self, corners: Any) -> bool:
        """Whether points from the centre, shape (n, 3), lie inside."""
        return bool((np.linalg.norm(corners, axis=1) < self.radius).all())

    def seen_from_centre(self, origin: Any, direction: Any) -> Any:
        """The direction from the centre of the point to which a ray leads.

        Args:
            origin: of the ray, from the centre.
            direction: its unit vector.
        """
        along = dr.dot(origin, direction)
        beyond = (
            dr.square(along) - dr.squared_norm(origin) + dr.square(dr.opaque(mi.Float, self.radius))
        )
        return dr.normalize(origin + direction * (dr.safe_sqrt(beyond) - along))

    def __str__(self) -> str:
        """The value of --distance."""
        return f"sphere:{self.radius:g}"


@dataclass(frozen=True, kw_only=True)
class NearBox:
    """The map's light stands on the walls, floor and ceiling of a room.

    Attributes:
        size: along x, y and z, in the scene's units.
        centre: None for that of the scene's bounding box.

    Example:
        >>> scene.surroundings = ei.NearBox(size=(8, 5, 8))
        >>> ei.render(scene, spp=4).shape
        (8, 8, 3)
        >>> scene.surroundings = None
    """

    size: tuple[float, float, float]
    centre: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        if np.shape(self.size) != (3,):
            raise InputError(f"size must be three numbers; found {in_short(self.size)}")
        _check("size", list(self.size))
        _check_centre(self.centre)

    def holds(self, corners: Any) -> bool:
        """Whether points from the centre, shape (n, 3), lie inside."""
        return bool((2 * np.abs(corners) < np.asarray(self.size)).all())

    def seen_from_centre(self, origin: Any, direction: Any) -> Any:
        """See `NearSphere`."""
        half = mi.Vector3f(*(dr.opaque(mi.Float, side / 2) for side in self.size))
        steps = (dr.copysign(half, direction) - origin) / direction
        reach = dr.min(dr.select(direction == 0, dr.inf, steps))
        return dr.normalize(origin + direction * reach)

    def __str__(self) -> str:
        """The value of --distance."""
        return "box:" + ",".join(f"{side:g}" for side in self.size)


Surroundings = NearSphere | NearBox
"""Where near light stands."""


def surroundings_of(text: str) -> Surroundings:
    """Parse sphere:R or box:X,Y,Z.

    Raises:
        InputError: if it is neither.
    """
    kind, _, numbers = text.partition(":")
    try:
        values = [float(number) for number in numbers.split(",")]
    except ValueError:
        values = []
    if kind == "sphere" and len(values) == 1:
        return NearSphere(radius=values[0])
    if kind == "box" and len(values) == 3:
        return NearBox(size=(values[0], values[1], values[2]))
    raise InputError(f"found {text!r}; {_EXAMPLES}")


def _check(name: str, values: list[float]) -> None:
    for value in values:
        check_positive(**{name: value})


def _check_centre(centre: Any) -> None:
    if centre is not None and not (np.shape(centre) == (3,) and np.isfinite(centre).all()):
        raise InputError(f"centre must be three finite numbers; found {in_short(centre)}")
