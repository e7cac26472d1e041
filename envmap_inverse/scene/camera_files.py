"""Read the files of cameras that other programs write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from envmap_inverse.errors import InputError, MissingFileError, check_path
from envmap_inverse.scene.cameras import Camera
from envmap_inverse.scene.colmap import find_colmap, read_colmap
from envmap_inverse.scene.transforms_json import find_transforms, read_transforms

__all__ = ["SOURCES", "Source", "read_cameras"]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A kind of files that cameras are read from.

    Attributes:
        name: what messages and the command line call it.
        find: returns the file or folder of this kind that a path means; None if there is none.
        read: returns the cameras of what `find` returned, in its order.
    """

    name: str
    find: Callable[[Path], Path | None]
    read: Callable[[Path], tuple[Camera, ...]]


SOURCES = (
    Source(name="a transforms.json", find=find_transforms, read=read_transforms),
    Source(
        name="a COLMAP model (cameras.txt and images.txt, or cameras.bin and images.bin)",
        find=find_colmap,
        read=read_colmap,
    ),
)
"""In the order in which they are looked for; the command line and the tests read them."""


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
    path = check_path(path)
    if not path.exists():
        raise MissingFileError(f"{path}: no such file or folder of cameras")
    for source in SOURCES:
        found = source.find(path)
        if found is not None:
            return source.read(found)
    raise InputError(f"{path}: has neither {' nor '.join(source.name for source in SOURCES)}")
