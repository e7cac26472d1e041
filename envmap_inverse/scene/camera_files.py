"""Read the files of cameras that other programs write."""

from __future__ import annotations

from pathlib import Path

from envmap_inverse.errors import InputError
from envmap_inverse.scene.cameras import Camera
from envmap_inverse.scene.colmap import COLMAP_FILES, colmap_folder, read_colmap
from envmap_inverse.scene.transforms_json import read_transforms

__all__ = ["read_cameras"]


def read_cameras(path: str | Path) -> tuple[Camera, ...]:
    """Read the cameras of a file, in its order.

    Args:
        path: a `transforms.json` (of NeRF, instant-ngp or nerfstudio), a folder that holds one, the
            folder of a COLMAP model, text or binary (`cameras.txt` and `images.txt`, or
            `cameras.bin` and `images.bin`), or the folder above its `sparse/0`.

    Returns:
        A camera per picture.

    Raises:
        FileNotFoundError: if there is no such file or folder.
        InputError: if it is none of these, or Mitsuba's `perspective` sensor cannot represent a
            camera: it is distorted by more than 0.05 pixels, its pixels are not square, or its
            matrix is not a rotation and a translation.

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
