"""Write images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from envmap_inverse.errors import InputError, check_path
from envmap_inverse.images.arrays import as_radiance
from envmap_inverse.images.formats import Writable, format_of
from envmap_inverse.system.writing import write_bytes

__all__ = ["write_image"]


def write_image(path: str | Path, image: ArrayLike) -> None:
    """Write linear RGB to EXR or NPY (float32), HDR, or PNG or JPEG (tone-mapped at exposure 1).

    An existing file is replaced once the new one is complete.

    Args:
        path: the suffix chooses the format: .exr, .hdr, .npy, .png, .jpg or .jpeg.
        image: shape (h, w, 3).

    Raises:
        InputError: if the suffix or the shape is not one of these, the values are 8-bit ones, which
            are not linear, or HDR cannot hold a value.
        OSError: if the file cannot be written.

    Example:
        >>> ei.write_image("out.exr", np.ones((4, 8, 3)))
        >>> ei.read_image("out.exr").shape
        (4, 8, 3)
    """
    path = check_path(path)
    try:
        array = np.ascontiguousarray(as_radiance(image))
    except InputError as error:
        raise InputError(f"{path}: the image {error}") from None
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise InputError(f"{path}: an image has shape (h, w, 3); found {array.shape}")
    kind = format_of(path, written=True)
    assert isinstance(kind, Writable)
    write_bytes(path, kind.encode(array))
