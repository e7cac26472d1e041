"""Write images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from envmap_inverse.images.formats import Writable, format_of
from envmap_inverse.system.writing import write_bytes

__all__ = ["write_image"]


def write_image(path: str | Path, image: ArrayLike) -> None:
    """Write linear RGB to EXR or NPY (float32), HDR, or PNG (tone-mapped at exposure 1).

    The file appears under its name when it is complete.

    Args:
        path: its suffix tells the format.
        image: shape (h, w, 3).

    Raises:
        InputError: if the suffix is none of .exr, .hdr, .png, .npy.
    """
    path = Path(path)
    kind = format_of(path, written=True)
    assert isinstance(kind, Writable)
    write_bytes(path, kind.encode(np.ascontiguousarray(image, np.float32)))
