"""Images of all directions: latlong, cube map, mirror ball, angular map. NumPy only.

Directions are in our map's own frame: right-handed, +y up. A position in an image is (x, y) in
pixels; the centre of the first pixel is (0, 0). See docs/conventions.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.sphere import latlong
from envmap_inverse.sphere.bilinear import Array, LookUp, bilinear, taps
from envmap_inverse.sphere.discs import AngularMap, MirrorBall
from envmap_inverse.sphere.latlong import Rows

__all__ = ["AngularMap", "Cube", "Latlong", "LookUp", "MirrorBall", "Projection"]


class Projection(Protocol):
    """An image of all directions: where each pixel looks.

    Attributes:
        height: rows.
        width: columns.
    """

    @property
    def height(self) -> int: ...  # noqa: D102

    @property
    def width(self) -> int: ...  # noqa: D102

    @property
    def detail(self) -> int:
        """Columns of a latlong map that holds as much detail as such an image."""

    @property
    def pitch(self) -> float:
        """Angle between neighbouring pixels, in radians."""

    def directions(self, x: Array, y: Array) -> Array:
        """Unit vectors of positions, shape (..., 3)."""

    def pixels(self, directions: Array) -> tuple[Array, Array]:
        """Positions (x, y) of directions of any length but zero."""

    def density(self, x: Array, y: Array) -> Array:
        """Steradians per pixel area at positions; 0 where the image holds nothing."""

    def look_up(self, image: NDArray[np.float32]) -> LookUp:
        """A function from directions (..., 3) to an image's bilinear values (..., 3)."""


@dataclass(frozen=True)
class Latlong:
    """Equirectangular: u along the horizon, v from the zenith down.

    Attributes:
        height: rows, at least 2.
        width: columns, about twice the rows.
        rows: whether the first row is the zenith ("corner") or half a row below it ("centred").
        offset: turns added to Mitsuba's u: 0 puts +z in the middle, 0.25 puts +x there.
    """

    height: int
    width: int
    rows: Rows = "corner"
    offset: float = 0.0

    def __post_init__(self) -> None:
        """Check the shape."""
        if self.height < 2 or abs(self.width - 2 * self.height) > max(2, 0.1 * self.width):
            raise InputError(
                f"a latlong map is twice as wide as high; found {self.width} x {self.height}"
            )

    @property
    def detail(self) -> int:
        """See `Projection`."""
        return self.width

    @property
    def pitch(self) -> float:
        """Angle between neighbouring pixels."""
        return min(2 * np.pi / self.width, self._row_step)

    def directions(self, x: Array, y: Array) -> Array:
        """Unit vectors of positions."""
        u = (np.asarray(x) + 0.5) / self.width - self.offset
        return latlong.uv_to_direction(u, self._theta(y) / np.pi)

    def pixels(self, directions: Array) -> tuple[Array, Array]:
        """Positions of directions."""
        u, v = latlong.direction_to_uv(directions)
        y = v * np.pi / self._row_step - (0 if self.rows == "corner" else 0.5)
        return (u + self.offset) % 1 * self.width - 0.5, y

    def density(self, x: Array, y: Array) -> Array:
        """Steradians per pixel area."""
        theta = self._theta(np.broadcast_to(y, np.broadcast_shapes(np.shape(x), np.shape(y))))
        inside = (theta >= 0) & (theta <= np.pi)
        return np.where(inside, np.sin(theta) * self._row_step * 2 * np.pi / self.width, 0)

    def look_up(self, image: NDArray[np.float32]) -> LookUp:
        """Bilinear look-up, periodic in x; centred rows continue on the far side of a pole."""
        padded = self._padded(image)
        return lambda directions: bilinear(padded, *self._padded_pixels(directions))

    def taps(self, directions: Array) -> tuple[NDArray[np.intp], Array]:
        """The texels row * width + column that `look_up` mixes for directions (..., 3), and shares.

        Returns:
            (index, share), each of shape (4, ...).
        """
        padded = self._padded(np.arange(self.height * self.width).reshape(self.height, -1, 1))
        index, share = taps(padded.shape[:2], *self._padded_pixels(directions))
        return padded.ravel()[index], share

    def _padded(self, image: NDArray[Any]) -> NDArray[Any]:
        """The image with the border that interpolation needs."""
        if self.rows == "centred":
            poles = [np.roll(image[row], self.width // 2, axis=0)[None] for row in (0, -1)]
            image = np.concatenate([poles[0], image, poles[1]])
        return np.pad(image, ((0, 0), (1, 1), (0, 0)), mode="wrap")

    def _padded_pixels(self, directions: Array) -> tuple[Array, Array]:
        x, y = self.pixels(directions)
        return x + 1, y + (self.rows == "centred")

    @property
    def _row_step(self) -> float:
        return np.pi / (self.height - (self.rows == "corner"))

    def _theta(self, y: ArrayLike) -> Array:
        return (np.asarray(y) + (0 if self.rows == "corner" else 0.5)) * self._row_step


_X, _Y, _Z = np.eye(3)
_FORWARD = np.array([_X, -_X, _Y, -_Y, _Z, -_Z])
_RIGHT = np.array([_Z, -_Z, _X, _X, -_X, _X])
_DOWN = np.array([-_Y, -_Y, -_Z, _Z, -_Y, -_Y])

_LAYOUTS: dict[tuple[int, int], tuple[tuple[int, int], ...]] = {
    (3, 4): ((1, 2), (1, 0), (0, 1), (2, 1), (1, 3), (1, 1)),
    (4, 3): ((1, 2), (1, 0), (0, 1), (2, 1), (3, 1), (1, 1)),
    (6, 1): ((0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0)),
}
"""(rows, columns) of faces, and the (row, column) of the faces +X, -X, +Y, -Y, +Z, -Z."""


@dataclass(frozen=True)
class Cube:
    """Six faces of a cube, seen from inside; the image's shape determines their layout.

    - 4:3, horizontal cross: -X, -Z, +X, +Z in a row, +Y above and -Y below the -Z face.
    - 3:4, vertical cross: the same with +Z below -Y, upside down.
    - 1:6, vertical strip: +X, -X, +Y, -Y, +Z, -Z as in OpenEXR (ImfEnvmap.h, `ENVMAP_CUBE`).

    Attributes:
        height: rows.
        width: columns.
    """

    height: int
    width: int

    def __post_init__(self) -> None:
        """Check the shape."""
        size = self.width // self._grid[1]
        if size < 1 or (self.height, self.width) != (self._grid[0] * size, self._grid[1] * size):
            raise InputError(
                "a cube map is a 4:3 cross, a 3:4 cross or a 1:6 strip of square faces; "
                f"found {self.width} x {self.height}"
            )

    @property
    def face(self) -> int:
        """Length of a face's edge in pixels."""
        return self.width // self._grid[1]

    @property
    def detail(self) -> int:
        """See `Projection`: pixels are at most 0.64 texels apart."""
        return 2 * self.face

    @property
    def pitch(self) -> float:
        """Square root of a pixel's mean solid angle."""
        return float(np.sqrt(2 * np.pi / 3) / self.face)

    def directions(self, x: Array, y: Array) -> Array:
        """Unit vectors of positions; meaningless where there is no face."""
        return _face_directions(*self._face_of_pixel(x, y))

    def pixels(self, directions: Array) -> tuple[Array, Array]:
        """Positions of directions."""
        face, a, b = _face_of_direction(directions)
        row, column = np.moveaxis(np.array(_LAYOUTS[self._grid])[face], -1, 0)
        turned = self._turned(face)
        x = (column + (1 + turned * a) / 2) * self.face - 0.5
        return x, (row + (1 + turned * b) / 2) * self.face - 0.5

    def density(self, x: Array, y: Array) -> Array:
        """Steradians per pixel area; (1 + a^2 + b^2)^(-3/2) on a face that spans [-1, 1]^2."""
        face, a, b = self._face_of_pixel(x, y)
        return np.where(face >= 0, (1 + a**2 + b**2) ** -1.5 * (2 / self.face) ** 2, 0)

    def look_up(self, image: NDArray[np.float32]) -> LookUp:
        """Bilinear look-up; each face gets a border from the faces beside it."""
        size = self.face
        faces = [
            image[row * size : (row + 1) * size, column * size : (column + 1) * size]
            for row, column in _LAYOUTS[self._grid]
        ]
        faces[4] = faces[4][:: self._turned(4), :: self._turned(4)]
        bordered = np.pad(np.stack(faces), ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
        strip = bordered.reshape(-1, size + 2, 3)

        def value(directions: Array) -> Array:
            face, a, b = _face_of_direction(directions)
            x, y = ((1 + a) / 2 * size + 0.5, (1 + b) / 2 * size + 0.5)
            return bilinear(strip, x, y + face * (size + 2))

        ring = np.ones((size + 2, size + 2), bool)
        ring[1:-1, 1:-1] = False
        b, a = (2 * np.argwhere(ring).T - 1) / size - 1
        bordered[:, ring] = value(_face_directions(np.arange(6)[:, None], a, b))
        return value

    @property
    def _grid(self) -> tuple[int, int]:
        """Rows and columns of faces."""
        return min(_LAYOUTS, key=lambda grid: abs(self.width / self.height - grid[1] / grid[0]))

    def _turned(self, face: Any) -> Any:
        """-1 for a face that is laid out upside down, the +Z of a vertical cross."""
        return np.where((face == 4) & (self._grid == (4, 3)), -1, 1)

    def _face_of_pixel(self, x: Array, y: Array) -> tuple[NDArray[np.intp], Array, Array]:
        """Face (-1 for none) and position on it, from -1 to 1."""
        across, down = (np.asarray(x) + 0.5) / self.face, (np.asarray(y) + 0.5) / self.face
        rows, columns = self._grid
        column = np.clip(np.floor(across), 0, columns - 1).astype(int)
        row = np.clip(np.floor(down), 0, rows - 1).astype(int)
        table = np.full(self._grid, -1)
        table[tuple(np.transpose(_LAYOUTS[self._grid]))] = np.arange(6)
        face = table[row, column]
        turned = self._turned(face)
        return face, turned * (2 * (across - column) - 1), turned * (2 * (down - row) - 1)


def _face_directions(face: NDArray[np.intp], a: Array, b: Array) -> Array:
    """Unit vectors of positions on faces; a goes right and b down, from -1 to 1."""
    vectors = _FORWARD[face] + a[..., None] * _RIGHT[face] + b[..., None] * _DOWN[face]
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def _face_of_direction(directions: Array) -> tuple[NDArray[np.intp], Array, Array]:
    """The face that a direction meets, and the position on it."""
    face = np.argmax(directions @ _FORWARD.T, axis=-1)
    depth, a, b = (np.sum(directions * axes[face], axis=-1) for axes in (_FORWARD, _RIGHT, _DOWN))
    return face, a / depth, b / depth
