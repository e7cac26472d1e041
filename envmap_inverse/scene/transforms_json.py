"""Read `transforms.json` files of NeRF, instant-ngp or nerfstudio."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.images import read_picture
from envmap_inverse.scene.camera_text import naming_place, read_text
from envmap_inverse.scene.cameras import Camera
from envmap_inverse.scene.distortion import check_pinhole
from envmap_inverse.system.structured import parse_json

__all__ = ["find_transforms", "read_transforms"]

_DISTORTION = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")
_UNDERSTOOD = {
    *("frames", "file_path", "transform_matrix", "w", "h", "cx", "cy", "fl_x", "fl_y"),
    *("camera_angle_x", "camera_angle_y", "camera_model", "is_fisheye", "k", *_DISTORTION),
    *("distortion_params", "applied_transform", "applied_scale"),
}
_WITHOUT_EFFECT = {
    *("aabb_scale", "scale", "offset", "sharpness", "colmap_im_id", "ply_file_path", "rotation"),
    *("train_filenames", "val_filenames", "test_filenames", "orientation_override"),
    *("depth_file_path", "enable_depth_loading", "integer_depth_scale", "time", "timestamp"),
}
"""Keys that say nothing about a camera, and are silently ignored."""


def find_transforms(path: Path) -> Path | None:
    """Return the file: any `.json` that is named, or the one of its usual name in a folder."""
    inside = path / "transforms.json"
    if inside.is_file():
        return inside
    return path if path.is_file() and path.suffix.lower() == ".json" else None


def read_transforms(path: Path) -> tuple[Camera, ...]:
    """Read a camera per frame, in the file's order; warns of unknown keys.

    Raises:
        InputError: if it is not such a file, or a camera cannot be used.
    """
    text = read_text(path)
    with naming_place(str(path)):
        values = parse_json(text)
    frames = values.get("frames") if isinstance(values, dict) else None
    if not isinstance(frames, list) or not frames:
        raise InputError(f"{path}: has no frames; a transforms.json has a list of them")
    with naming_place(f"{path}: frame 0"):
        if not {"w", "h"} <= {**values, **frames[0]}.keys():
            values["w"], values["h"] = _picture_size(path.parent, frames[0]["file_path"])
    _warn_of_keys(path, [values, *frames])
    with naming_place(f"{path}: applied_transform"):
        to_original = _to_original(values)
    if (to_original != np.eye(4)).any():
        warnings.warn(
            f"{path}: its applied_transform is undone: cameras are in the world before it",
            stacklevel=3,
        )
    cameras = []
    for number, frame in enumerate(frames):
        with naming_place(f"{path}: frame {number}"):
            cameras.append(_from_frame(values, frame, to_original, values.get("applied_scale", 1)))
    return tuple(cameras)


def _warn_of_keys(path: Path, tables: Iterable[Any]) -> None:
    keys = {key for table in tables if isinstance(table, Mapping) for key in table}
    unknown = sorted(keys - _UNDERSTOOD - _WITHOUT_EFFECT)
    if unknown:
        warnings.warn(f"{path}: keys that are not understood: {', '.join(unknown)}", stacklevel=4)


def _to_original(values: Mapping[str, Any]) -> NDArray[np.float64]:
    """The inverse of `applied_transform`, which nerfstudio has applied to every matrix."""
    matrix = np.eye(4)
    applied = np.array(values.get("applied_transform", matrix[:3]), np.float64)
    if applied.shape not in {(3, 4), (4, 4)} or not np.isfinite(applied).all():
        raise InputError("is not 3 x 4 finite numbers")
    matrix[:3] = applied[:3]
    if abs(np.linalg.det(matrix)) < 1e-9:
        raise InputError("has no inverse")
    return np.asarray(np.linalg.inv(matrix))


def _from_frame(
    shared: Mapping[str, Any],
    frame: Mapping[str, Any],
    to_original: NDArray[np.float64],
    applied_scale: Any,
) -> Camera:
    """Make the camera of a frame; the frame's own values override the shared ones."""
    values = {**shared, **frame}
    file = Path(frame["file_path"])
    has_ending = bool(file.suffix) and not file.suffix[1:].isdigit()
    width, height = _whole(values["w"]), _whole(values["h"])
    x, y = (float(values.get(key, side / 2)) for key, side in (("cx", width), ("cy", height)))
    source = frame if {"fl_x", "camera_angle_x"} & set(frame) else values
    matrix = np.array(frame["transform_matrix"], np.float64)
    if matrix.shape in {(3, 4), (4, 4)}:
        matrix = np.vstack([matrix[:3], [0, 0, 0, 1]])
        matrix[:3, 3] /= float(applied_scale)
        matrix = to_original @ matrix
    camera = Camera(
        name=file.name if has_ending else f"{file.name}.png",
        width=width,
        height=height,
        focal_lengths=_focal_lengths(source, width, height),
        principal_point=(x, y),
        to_world=matrix,
    )
    check_pinhole(
        "fisheye" if values.get("is_fisheye") else values.get("camera_model", "OPENCV"),
        _distortion(values),
        size=(width, height),
        focal_lengths=camera.focal_lengths,
        principal_point=camera.principal_point,
    )
    return camera


def _distortion(values: Mapping[str, Any]) -> dict[str, float]:
    """Coefficients by name; a list of six is in nerfstudio's order, any other in OpenCV's."""
    found = {key: float(values[key]) for key in _DISTORTION if key in values}
    if "k" in values:
        found.setdefault("k1", float(values["k"]))
    listed = values.get("distortion_params")
    if listed is None:
        return found
    numbers = [float(value) for value in listed]
    names = "k1 k2 k3 k4 p1 p2" if len(numbers) == 6 else "k1 k2 p1 p2 k3 k4 k5 k6"
    if len(numbers) > len(names.split()):
        raise InputError(f"distortion_params has {len(numbers)} numbers; at most 8 are understood")
    return {**dict(zip(names.split(), numbers, strict=False)), **found}


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
    """Focal length in pixels, from a side and the angle that it spans."""
    if not 0 < angle < math.pi:
        raise InputError(f"camera angles are in radians, from 0 to pi; found {angle:g}")
    return side / (2 * math.tan(angle / 2))


def _picture_size(folder: Path, file_path: str) -> tuple[int, int]:
    """(width, height) of a picture; its name may lack .png, as in NeRF's synthetic scenes."""
    for path in (folder / file_path, folder / f"{file_path}.png"):
        if path.is_file():
            return read_picture(path).upright.size
    raise InputError(f"no w and h, nor {folder / file_path} to take them from; add w and h")


def _whole(value: Any) -> int:
    if float(value) != int(value):
        raise InputError(f"w and h are whole numbers of pixels; found {value}")
    return int(value)
