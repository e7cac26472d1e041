"""Cameras of photographs, and their matching to pictures."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.backend import mi
from envmap_inverse.errors import InputError, in_one_line

__all__ = ["Camera", "match_cameras"]

MAX_ASPECT_ERROR = 0.004
"""Focal lengths that differ by more are refused. Up to here their mean shifts a point at the border
by at most a thousandth of the picture's side: half a pixel of 512."""

MAX_COORDINATE = 1e30
"""Largest number of pixels and of scene units; more counts as infinite (float32 ends at 3e38)."""

ROTATION_TOLERANCE = 1e-3
NO_CLIPPING = 1e10

_MITSUBA_TO_OPENGL = np.diag([-1.0, 1.0, -1.0, 1.0])


@dataclass(frozen=True, kw_only=True, eq=False)
class Camera:
    """A pinhole camera with square pixels.

    Attributes:
        name: file name of the picture that it took.
        width: pixels of the picture.
        height: pixels of the picture.
        focal_lengths: (x, y) in pixels; practically equal.
        principal_point: (x, y) in pixels from the picture's upper left corner; the centre of the
            first pixel is (0.5, 0.5).
        to_world: camera-to-world matrix, shape (4, 4), a rotation and a translation. The camera
            looks along its -z, +x is right and +y is up (OpenGL's axes).

    Example:
        >>> inside = {"focal_lengths": (9, 9), "principal_point": (4, 3)}
        >>> camera = ei.Camera(name="0.jpg", width=8, height=6, to_world=np.eye(4), **inside)
        >>> other = ei.load_scene("scene.xml")
        >>> other.set_sensors([camera])
        >>> other.film_size()
        (8, 6)
    """

    name: str
    width: int
    height: int
    focal_lengths: tuple[float, float]
    principal_point: tuple[float, float]
    to_world: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Check the numbers."""
        fault = self._fault()
        if fault:
            raise InputError(f"camera {self.name!r}: {fault}")
        object.__setattr__(self, "to_world", _rigid(self.name, self.to_world))

    @property
    def _degrees(self) -> float:
        """Field of view along the longer side."""
        longer = max(self.width, self.height)
        return math.degrees(2 * math.atan(longer / sum(self.focal_lengths)))

    def _fault(self) -> str | None:
        x, y = self.focal_lengths
        if not all(1 <= side < 2**31 for side in (self.width, self.height)):
            return f"its picture has {self.width} x {self.height} pixels"
        if not (math.isfinite(x) and math.isfinite(y) and min(x, y) > 0):
            return f"its focal lengths {x:g} and {y:g} are not positive numbers"
        if not all(abs(value) < MAX_COORDINATE for value in self.principal_point):
            return f"its principal point {self.principal_point} is not finite"
        if not 0 < np.float32(self._degrees) < 180:
            return f"its angle of {self._degrees:g} degrees (focal length {x:g}) is impossible"
        if abs(x - y) > MAX_ASPECT_ERROR * min(x, y):
            return (
                f"its pixels are not square (focal lengths {x:g} and {y:g}), but those of a "
                "perspective sensor are; calibrate with one focal length, or resize the picture to "
                f"{self.width} x {max(round(self.height * x / y), 1)}, and fl_y and cy with it"
            )
        return None

    def sensor(self) -> Any:
        """A `mi.Sensor` with a film of the picture's size, RGB, each sample in one pixel."""
        try:
            return mi.load_dict(self.described)
        except RuntimeError as error:
            words = in_one_line(error)
            raise InputError(f"camera {self.name!r}: Mitsuba refuses it: {words}") from None

    @property
    def described(self) -> dict[str, Any]:
        """The sensor as a dictionary for Mitsuba."""
        x, y = self.principal_point
        return {
            "type": "perspective",
            "id": self.name,
            "fov": self._degrees,
            "fov_axis": "larger",
            "principal_point_offset_x": 0.5 - x / self.width,
            "principal_point_offset_y": 0.5 - y / self.height,
            "to_world": mi.ScalarTransform4f(self.to_world @ _MITSUBA_TO_OPENGL),
            "far_clip": NO_CLIPPING,
            "film": {
                "type": "hdrfilm",
                "width": self.width,
                "height": self.height,
                "pixel_format": "rgb",
                "rfilter": {"type": "box"},
            },
            "sampler": {"type": "independent"},
        }


def match_cameras(cameras: Sequence[Camera], pictures: Sequence[str | Path]) -> list[int]:
    """Find each picture's camera, by name, or by order if no picture has a camera's name.

    A single camera took all pictures, unless some have its name and others do not.

    Names are compared without their folders and endings. Warns if order decides.

    Raises:
        InputError: if a picture has no camera or several, or, by order, a camera has no picture.
    """
    wanted = [Path(picture).stem for picture in pictures]
    names = [  # a name without an ending may seem to have one: frame.0010
        camera.name if camera.name in wanted else Path(camera.name).stem for camera in cameras
    ]
    if set(names) & set(wanted):
        for picture, name in zip(pictures, wanted, strict=True):
            if names.count(name) != 1:
                raise InputError(
                    f"{picture}: {names.count(name) or 'none'} of the {len(cameras)} cameras "
                    f"took a picture named {name!r}; rename it, or choose with --sensor"
                )
        return [names.index(name) for name in wanted]
    if len(cameras) == 1 and pictures:
        return [0] * len(pictures)
    if len(pictures) > len(cameras):
        raise InputError(
            f"{pictures[len(cameras)]}: has no camera: {len(pictures)} pictures, "
            f"{len(cameras)} cameras, and no name in common; rename it, or choose with --sensor"
        )
    if len(pictures) < len(cameras):
        raise InputError(
            f"camera {len(pictures)} ({cameras[len(pictures)].name}) has no picture: "
            f"{len(pictures)} pictures, {len(cameras)} cameras, and no name in common; "
            "rename the pictures, or choose with --sensor"
        )
    warnings.warn(
        f"no picture has the name of a camera ({pictures[0]}, {cameras[0].name}): they are matched "
        "in order",
        stacklevel=2,
    )
    return list(range(len(cameras)))


def _rigid(name: str, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Replace a matrix's upper left part by the nearest rotation.

    Raises:
        InputError: if it is not nearly a rotation already.
    """
    matrix = np.asarray(matrix, np.float64)
    if matrix.shape not in {(3, 4), (4, 4)} or not (abs(matrix) < MAX_COORDINATE).all():
        raise InputError(f"camera {name!r}: its matrix to world is not 4 x 4 finite numbers")
    u, lengths, v = np.linalg.svd(matrix[:3, :3])
    is_mirror = np.linalg.det(u @ v) < 0
    if is_mirror or abs(lengths - 1).max() > ROTATION_TOLERANCE:
        found = "mirrors" if is_mirror else f"scales by {lengths[-1]:.4g} to {lengths[0]:.4g}"
        raise InputError(
            f"camera {name!r}: its matrix to world is not a rotation and a translation: it {found}"
        )
    rigid = np.eye(4)
    rigid[:3, :3], rigid[:3, 3] = u @ v, matrix[:3, 3]
    return rigid
