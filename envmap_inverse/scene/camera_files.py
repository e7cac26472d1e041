"""Read the files of cameras that other programs write."""

from __future__ import annotations

from pathlib import Path

from envmap_inverse.errors import InputError
from envmap_inverse.scene.cameras import Camera
from envmap_inverse.scene.colmap import COLMAP_FILES, colmap_folder, read_colmap
from envmap_inverse.scene.transforms_json import read_transforms

__all__ = ["read_cameras"]


def read_cameras(path: str | Path) -> tuple[Camera, ...]:
    """The cameras of a file, in its order.

    Args:
        path: a `transforms.json` (as of NeRF, instant-ngp or nerfstudio), a folder that holds one,
            or the folder of a COLMAP model, text or binary (`cameras.txt` and `images.txt`, or
            `cameras.bin` and `images.bin`), or that above its `sparse/0`.

    Returns:
        A camera per picture.

    Raises:
        FileNotFoundError: if there is nothing of that name.
        InputError: if it is no such file, or a camera is none that Mitsuba's `perspective` sensor
            can be: distorted by more than 0.05 pixels, without square pixels, or with a matrix
            that is not a rotation and a translation.

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
    if path.name in COLMAP_FILES:
        path = path.parent
    elif path.is_file() or (path / "transforms.json").exists():
        return read_transforms(path / "transforms.json" if path.is_dir() else path)
    folder = colmap_folder(path)
    if folder is None:
        raise InputError(
            f"{path}: has neither a transforms.json nor a COLMAP model (cameras.txt and "
            "images.txt, or cameras.bin and images.bin)"
        )
    return read_colmap(folder)
