"""Images of all directions that fill a disc: the mirror ball and the angular map. NumPy only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.sphere.bilinear import Array, LookUp, bilinear

__all__ = ["AngularMap", "MirrorBall"]


@dataclass(frozen=True)
class _Disc(ABC):
    """A disc that fills a square, with one direction at its centre and all others around it."""

    height: int
    width: int

    def __post_init__(self) -> None:
        """Check the shape."""
        if self.width < 2 or self.width != self.height:
            raise InputError(f"{self._name} is square; found {self.width} x {self.height}")

    _name = ""
    _centre = 1.0
    """The z axis that the centre shows."""

    @staticmethod
    @abstractmethod
    def _angle(radius: Array) -> Array:
        """Angle from the centre's direction at a distance from the centre, from 0 to 1."""

    @staticmethod
    @abstractmethod
    def _radius(angle: Array) -> Array:
        """The inverse of `_angle`."""

    @staticmethod
    @abstractmethod
    def _stretch(radius: Array) -> Array:
        """Steradians per area of the unit disc: sin(angle) angle'(radius) / radius."""

    @property
    def detail(self) -> int:
        """See `Projection`."""
        return self.width // 2

    @property
    def pitch(self) -> float:
        """Angle between neighbouring pixels at the centre."""
        return float(self._angle(np.array(2 / self.width)))

    def directions(self, x: Array, y: Array) -> Array:
        """Unit vectors of positions; those outside the disc get the rim's."""
        right, up, radius = self._plane(x, y)
        angle = self._angle(np.minimum(radius, 1))
        sine = np.sin(angle) / np.maximum(radius, 1e-12)
        return np.stack([right * sine, up * sine, self._centre * np.cos(angle)], axis=-1)

    def pixels(self, directions: Array) -> tuple[Array, Array]:
        """Positions of directions."""
        x, y, z = np.moveaxis(np.asarray(directions, np.float64), -1, 0)
        across = np.hypot(x, y)
        radius = self._radius(np.arctan2(across, self._centre * z))
        is_aside = across > 1e-300  # else a whole circle is one direction; take its right
        right, up = (side * radius / np.where(is_aside, across, 1) for side in (x, y))
        right = np.where(is_aside, right, radius)
        return (1 + right) / 2 * self.width - 0.5, (1 - up) / 2 * self.height - 0.5

    def density(self, x: Array, y: Array) -> Array:
        """Steradians per pixel area."""
        _, _, radius = self._plane(x, y)
        return np.where(radius <= 1, self._stretch(radius) * (2 / self.width) ** 2, 0)

    def look_up(self, image: NDArray[np.float32]) -> LookUp:
        """Bilinear look-up; positions outside the disc take the rim's values."""
        y, x = np.indices((self.height, self.width))
        right, up, radius = self._plane(x, y)
        inwards = np.where(radius > 1, (1 - np.sqrt(2) / self.width) / np.maximum(radius, 1), 1)
        columns = np.rint((1 + right * inwards) / 2 * self.width - 0.5).astype(int)
        rows = np.rint((1 - up * inwards) / 2 * self.height - 0.5).astype(int)
        padded = np.pad(image[rows, columns], ((1, 1), (1, 1), (0, 0)), mode="edge")

        def value(directions: Array) -> Array:
            x, y = self.pixels(directions)
            return bilinear(padded, x + 1, y + 1)

        return value

    def _plane(self, x: ArrayLike, y: ArrayLike) -> tuple[Array, Array, Array]:
        """Right and up from the centre, and the distance from it; the rim is at 1."""
        right = (2 * np.asarray(x) + 1) / self.width - 1
        up = 1 - (2 * np.asarray(y) + 1) / self.height
        return right, up, np.hypot(right, up)


class MirrorBall(_Disc):
    """An orthographic picture of a mirror ball, by a sensor that looks along -z.

    The centre shows +z, the right +x, the top +y and the rim -z; the angle from +z is
    2 asin(radius), twice the normal's. The same as Blender's mirror ball (`mirrorball_to_direction`
    in Cycles' kernel/camera/projection.h), which looks along its +Y.
    """

    _name = "a mirror ball"
    _centre = 1.0

    def blind_angle(self, pitch: float) -> float:
        """Degrees from -z within which pixels lie further apart than a pitch (radians).

        Along the radius, neighbours at the angle t from +z are 4 / (width cos(t / 2)) apart.
        """
        return float(np.degrees(2 * np.arcsin(min(1.0, 4 / (self.width * pitch)))))

    @staticmethod
    def _angle(radius: Array) -> Array:
        return np.asarray(2 * np.arcsin(radius))

    @staticmethod
    def _radius(angle: Array) -> Array:
        return np.asarray(np.sin(angle / 2))

    @staticmethod
    def _stretch(radius: Array) -> Array:
        return np.full(np.shape(radius), 4.0)


class AngularMap(_Disc):
    """A light probe: the distance from the centre is proportional to the angle from -z.

    The centre shows -z, the right +x, the top +y and the rim +z (P. Debevec, "Light Probe Image
    Gallery": the centre is straight forward, the circumference straight backwards).
    """

    _name = "an angular map"
    _centre = -1.0

    @staticmethod
    def _angle(radius: Array) -> Array:
        return np.asarray(np.pi * radius)

    @staticmethod
    def _radius(angle: Array) -> Array:
        return np.asarray(angle / np.pi)

    @staticmethod
    def _stretch(radius: Array) -> Array:
        return np.asarray(np.pi**2 * np.sinc(radius))
