"""Read cameras from `transforms.json` files and COLMAP text models."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.images import read_image
from envmap_inverse.scene.cameras import ROTATION_TOLERANCE, Camera

__all__ = ["read_cameras"]

_COLMAP_MODELS = {
    "SIMPLE_PINHOLE": "f cx cy",
    "PINHOLE": "fx fy cx cy",
    "SIMPLE_RADIAL": "f cx cy k",
    "RADIAL": "f cx cy k1 k2",
    "OPENCV": "fx fy cx cy k1 k2 p1 p2",
    "FULL_OPENCV": "fx fy cx cy k1 k2 p1 p2 k3 k4 k5 k6",
}
"""Models that are pinholes where their distortion is zero, and their parameters."""

_DISTORTION = ("k", "k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")
_OPENCV_TO_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])


def read_cameras(path: str | Path) -> tuple[Camera, ...]:
    """The cameras of a file, in its order.

    Args:
        path: a `transforms.json` (as of NeRF, instant-ngp or nerfstudio), a folder that holds one,
            or the folder of a COLMAP text model (`cameras.txt` and `images.txt`).

    Returns:
        A camera per picture.

    Raises:
        FileNotFoundError: if there is nothing of that name.
        InputError: if it is no such file, or a camera is none that Mitsuba's `perspective` sensor
            can be: distorted, without square pixels, or with a matrix that is not a rotation and a
            translation.

    Example:
        >>> import json
        >>> pose = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 4], [0, 0, 0, 1]]
        >>> frame = {"file_path": "photo.jpg", "transform_matrix": pose}
        >>> with open("transforms.json", "w") as file:
        ...     json.dump({"fl_x": 9, "fl_y": 9, "frames": [frame]}, file)
        >>> [camera.name for camera in ei.read_cameras("transforms.json")]
        ['photo.jpg']
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder of cameras")
    file = path / "transforms.json" if path.is_dir() else path
    if file.name in {"cameras.txt", "images.txt"}:
        return _read_colmap(file.parent)
    return _read_transforms(file) if file.exists() else _read_colmap(path)


def _read_transforms(path: Path) -> tuple[Camera, ...]:
    text = _text(path)
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON: {error}") from None
    frames = values.get("frames") if isinstance(values, dict) else None
    if not isinstance(frames, list) or not frames:
        raise InputError(f"{path}: has no frames; a transforms.json has a list of them")
    with _naming(f"{path}: frame 0"):
        if not {"w", "h"} <= {**values, **frames[0]}.keys():
            values["w"], values["h"] = _picture_size(path.parent, frames[0]["file_path"])
    cameras = []
    for number, frame in enumerate(frames):
        with _naming(f"{path}: frame {number}"):
            cameras.append(_from_frame(values, frame))
    return tuple(cameras)


def _from_frame(shared: Mapping[str, Any], frame: Mapping[str, Any]) -> Camera:
    """The camera of a frame, whose values come before those that all frames share."""
    values = {**shared, **frame}
    _require_pinhole(
        "fisheye" if values.get("is_fisheye") else values.get("camera_model", "OPENCV"),
        {key: float(values[key]) for key in _DISTORTION if key in values},
    )
    file = Path(frame["file_path"])
    name = file.name if file.suffix else f"{file.name}.png"
    width, height = _whole(values["w"]), _whole(values["h"])
    x, y = (float(values.get(key, side / 2)) for key, side in (("cx", width), ("cy", height)))
    source = frame if {"fl_x", "camera_angle_x"} & set(frame) else values
    return Camera(
        name=name,
        width=width,
        height=height,
        focal_lengths=_focal_lengths(source, width, height),
        principal_point=(x, y),
        to_world=np.array(frame["transform_matrix"], np.float64),
    )


def _focal_lengths(values: Mapping[str, Any], width: int, height: int) -> tuple[float, float]:
    if "fl_x" in values:
        return float(values["fl_x"]), float(values.get("fl_y", values["fl_x"]))
    if "camera_angle_x" not in values:
        raise InputError("has neither fl_x nor camera_angle_x")
    x = _from_angle(width, float(values["camera_angle_x"]))
    if "camera_angle_y" not in values:
        return x, x
    return x, _from_angle(height, float(values["camera_angle_y"]))


def _from_angle(side: int, angle: float) -> float:
    """Focal length in pixels of a side that is seen at an angle."""
    if not 0 < angle < math.pi:
        raise InputError(f"camera angles are in radians, from 0 to pi; found {angle:g}")
    return side / (2 * math.tan(angle / 2))


def _picture_size(folder: Path, file_path: str) -> tuple[int, int]:
    """(width, height) of a picture, whose name may lack its .png as in NeRF's synthetic scenes."""
    for path in (folder / file_path, folder / f"{file_path}.png"):
        if path.is_file():
            height, width, _ = read_image(path).shape
            return width, height
    raise InputError(f"no w and h, nor {folder / file_path} to tell them; add w and h")


def _read_colmap(folder: Path) -> tuple[Camera, ...]:
    cameras_path, images_path = folder / "cameras.txt", folder / "images.txt"
    if not cameras_path.exists() or not images_path.exists():
        raise InputError(
            f"{folder}: has neither a transforms.json nor cameras.txt and images.txt; a binary "
            "model is converted by `colmap model_converter --output_type TXT`"
        )
    intrinsics = {}
    for number, line in _lines(cameras_path):
        if line:
            with _naming(f"{cameras_path}: line {number}"):
                identifier, model, width, height, parameters = _fields(
                    line, "CAMERA_ID MODEL WIDTH HEIGHT PARAMS..."
                )
                intrinsics[identifier] = {
                    "width": int(width),
                    "height": int(height),
                    **_colmap_intrinsics(model, [float(value) for value in parameters.split()]),
                }
    cameras = []
    lines = _lines(images_path)
    for number, line in lines:
        if line:
            with _naming(f"{images_path}: line {number}"):
                cameras.append(_from_image(line, intrinsics))
            _check_points(images_path, *next(lines, (number, "")))
    if not cameras:
        raise InputError(f"{images_path}: has no images")
    return tuple(cameras)


def _colmap_intrinsics(model: str, values: Sequence[float]) -> dict[str, tuple[float, float]]:
    _require_pinhole(model, {})
    names = _COLMAP_MODELS[model].split()
    if len(values) != len(names):
        raise InputError(f"{model} has the parameters {', '.join(names)}; found {len(values)}")
    given = dict(zip(names, values, strict=True))
    _require_pinhole(model, {key: given[key] for key in _DISTORTION if key in given})
    x = given["fx"] if "fx" in given else given["f"]
    return {
        "focal_lengths": (x, given.get("fy", x)),
        "principal_point": (given["cx"], given["cy"]),
    }


def _from_image(line: str, intrinsics: Mapping[str, Mapping[str, Any]]) -> Camera:
    """The camera of an image's first line."""
    _, *numbers, identifier, name = _fields(line, "IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME")
    if identifier not in intrinsics:
        raise InputError(f"there is no camera {identifier} in cameras.txt")
    quaternion, translation = np.split(np.array(numbers, np.float64), [4])
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
    """The fields of a line, of which the last may hold spaces."""
    fields = line.split(maxsplit=names.count(" "))
    if len(fields) != len(names.split()):
        raise InputError(f"expected {names}")
    return fields


def _check_points(path: Path, number: int, line: str) -> None:
    """Check that a line holds the points of an image: an image without that line hides the next."""
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


def _require_pinhole(model: Any, distortion: Mapping[str, float]) -> None:
    remedy = "undistort the pictures first, e.g. with `colmap image_undistorter`"
    if model not in _COLMAP_MODELS:
        names = ", ".join(_COLMAP_MODELS)
        raise InputError(f"camera model {model!r} is not one of {names}; {remedy}")
    bent = [f"{key}={value:g}" for key, value in distortion.items() if value != 0]
    if bent:
        raise InputError(f"its {model} camera is distorted ({', '.join(bent)}); {remedy}")


def _whole(value: Any) -> int:
    if float(value) != int(value):
        raise InputError(f"w and h are whole numbers of pixels; found {value}")
    return int(value)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and stripped text of each line that is no comment."""
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if not line.startswith("#"):
            yield number, line.strip()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


@contextmanager
def _naming(place: str) -> Iterator[None]:
    """Make what is wrong with one camera the error of a place in a file."""
    try:
        yield
    except KeyError as error:
        raise InputError(f"{place}: has no {error.args[0]}") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{place}: {error}") from None
