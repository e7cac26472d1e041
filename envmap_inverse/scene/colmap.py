"""Read COLMAP models, text or binary."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.scene.camera_text import naming_place, read_bytes, read_text
from envmap_inverse.scene.cameras import ROTATION_TOLERANCE, Camera
from envmap_inverse.scene.distortion import COLMAP_MODELS, check_pinhole

__all__ = ["find_colmap", "read_colmap"]

COLMAP_FILES = ("cameras.txt", "images.txt", "cameras.bin", "images.bin")

_MODEL_NUMBERS = (
    *("SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "OPENCV_FISHEYE"),
    *("FULL_OPENCV", "FOV", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE", "THIN_PRISM_FISHEYE"),
)
"""Names of camera models by their numbers in binary models (COLMAP, `sensor/models.h`)."""

_OPENCV_TO_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])
_BYTES_PER_POINT = 24

_Intrinsics = Mapping[int, Mapping[str, Any]]


def find_colmap(path: Path) -> Path | None:
    """Return the folder of a model: one is named, or a file in it, or the folder above it."""
    if path.name in COLMAP_FILES:
        return path.parent
    for place in (path, path / "sparse" / "0", path / "sparse"):
        for ending in (".bin", ".txt"):
            if all((place / f"{name}{ending}").exists() for name in ("cameras", "images")):
                return place
    return None


def read_colmap(folder: Path) -> tuple[Camera, ...]:
    """Read a model's folder into a camera per image, in the model's order.

    Raises:
        InputError: if there are no images, or a camera cannot be used.
    """
    if (folder / "cameras.bin").exists() and (folder / "images.bin").exists():
        images_path = folder / "images.bin"
        cameras = _binary_images(images_path, _binary_intrinsics(folder / "cameras.bin"))
    else:
        images_path = folder / "images.txt"
        cameras = _text_images(images_path, _text_intrinsics(folder / "cameras.txt"))
    if not cameras:
        raise InputError(f"{images_path}: has no images")
    return cameras


def _text_intrinsics(path: Path) -> _Intrinsics:
    found = {}
    for number, line in _lines(path):
        if line:
            with naming_place(f"{path}: line {number}"):
                identifier, model, width, height, parameters = _fields(
                    line, "CAMERA_ID MODEL WIDTH HEIGHT PARAMS..."
                )
                values = [float(value) for value in parameters.split()]
                found[int(identifier)] = _intrinsics(model, int(width), int(height), values)
    return found


def _text_images(path: Path, intrinsics: _Intrinsics) -> tuple[Camera, ...]:
    cameras = []
    lines = _lines(path)
    for number, line in lines:
        if line:
            with naming_place(f"{path}: line {number}"):
                _, *numbers, identifier, name = _fields(
                    line, "IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME"
                )
                pose = [float(value) for value in numbers]
                cameras.append(_camera(name, pose, int(identifier), intrinsics))
            _check_points(path, *next(lines, (number, "")))
    return tuple(cameras)


def _binary_intrinsics(path: Path) -> _Intrinsics:
    found = {}
    reader = _Binary(path)
    for number in range(*reader.take("<Q")):
        with naming_place(f"{path}: camera number {number}"):
            identifier, model_number, width, height = reader.take("<IiQQ")
            if not 0 <= model_number < len(_MODEL_NUMBERS):
                raise InputError(f"its camera model has the unknown number {model_number}")
            model = _MODEL_NUMBERS[model_number]
            count = len(COLMAP_MODELS.get(model, "").split())
            values = list(reader.take(f"<{count}d"))
            found[identifier] = _intrinsics(model, width, height, values)
    return found


def _binary_images(path: Path, intrinsics: _Intrinsics) -> tuple[Camera, ...]:
    cameras = []
    reader = _Binary(path)
    for number in range(*reader.take("<Q")):
        with naming_place(f"{path}: image number {number}"):
            _, *pose, identifier = reader.take("<I7dI")
            name = reader.take_name()
            reader.skip(_BYTES_PER_POINT * reader.take("<Q")[0])
            cameras.append(_camera(name, pose, identifier, intrinsics))
    return tuple(cameras)


class _Binary:
    """A binary file, read from its start; a premature end is an error."""

    def __init__(self, path: Path) -> None:
        self._path, self._data, self._place = path, read_bytes(path), 0

    def take(self, layout: str) -> tuple[Any, ...]:
        start = self._place
        self.skip(struct.calcsize(layout))
        return struct.unpack_from(layout, self._data, start)

    def take_name(self) -> str:
        end = self._data.find(b"\0", self._place)
        if end < 0:
            self._fail()
        name = self._data[self._place : end].decode("utf-8", "surrogateescape")
        self._place = end + 1
        return name

    def skip(self, num_bytes: int) -> None:
        if self._place + num_bytes > len(self._data):
            self._fail()
        self._place += num_bytes

    def _fail(self) -> None:
        raise InputError(f"{self._path}: is cut off, or is not a binary COLMAP model")


def _intrinsics(model: str, width: int, height: int, values: Sequence[float]) -> dict[str, Any]:
    """The arguments of `Camera` that all images of a camera share."""
    names = COLMAP_MODELS.get(model, "").split()
    if names and len(values) != len(names):
        raise InputError(f"{model} has the parameters {', '.join(names)}; found {len(values)}")
    given = dict(zip(names, values, strict=False))
    x = given.get("fx", given.get("f", 1.0))
    focal_lengths = (x, given.get("fy", x))
    principal_point = (given.get("cx", 0.0), given.get("cy", 0.0))
    check_pinhole(
        model,
        {name: value for name, value in given.items() if name[0] in "kp"},
        size=(width, height),
        focal_lengths=focal_lengths,
        principal_point=principal_point,
    )
    return {
        "width": width,
        "height": height,
        "focal_lengths": focal_lengths,
        "principal_point": principal_point,
    }


def _camera(name: str, pose: Sequence[float], identifier: int, intrinsics: _Intrinsics) -> Camera:
    """Make an image's camera; the pose is a quaternion (w, x, y, z) and a translation."""
    if identifier not in intrinsics:
        raise InputError(f"there is no camera {identifier} in the model's cameras")
    quaternion, translation = np.split(np.array(pose, np.float64), [4])
    if not abs(np.linalg.norm(quaternion) - 1) < ROTATION_TOLERANCE:
        raise InputError(f"QW QX QY QZ is not a rotation: its length is not 1: {quaternion}")
    rotation = _rotation(quaternion).T
    to_world = np.eye(4)
    to_world[:3, :3], to_world[:3, 3] = rotation, -rotation @ translation
    return Camera(name=name, to_world=to_world @ _OPENCV_TO_OPENGL, **intrinsics[identifier])


def _rotation(quaternion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Matrix of a unit quaternion (w, v): (2 w^2 - 1) I + 2 v v^T + 2 w [v]_x (Rodrigues)."""
    w, v = quaternion[0], quaternion[1:]
    cross = np.cross(v, np.eye(3)).T
    return np.asarray((2 * w**2 - 1) * np.eye(3) + 2 * np.outer(v, v) + 2 * w * cross)


def _fields(line: str, names: str) -> list[str]:
    """Split a line into fields; the last may hold spaces."""
    fields = line.split(maxsplit=names.count(" "))
    if len(fields) != len(names.split()):
        raise InputError(f"expected {names}")
    return fields


def _check_points(path: Path, number: int, line: str) -> None:
    """Check that a line holds an image's points; an image without that line hides the next one."""
    values = line.split()
    try:
        [float(value) for value in values]
        is_good = len(values) % 3 == 0
    except ValueError:
        is_good = False
    if not is_good:
        raise InputError(
            f"{path}: line {number}: not the points of the image above (X Y POINT3D_ID ...); "
            "every image needs that line, which may be empty"
        )


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and stripped text of each line that is not a comment."""
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.startswith("#"):
            yield number, line.strip()
