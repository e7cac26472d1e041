"""NumPy's own files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.images.limits import check_size
from envmap_inverse.images.picture import Picture, Reading

__all__ = ["Npy"]


class Npy:
    """Arrays of floats, linear RGB, RGBA or grey; no pickles. Written as float32."""

    endings = (".npy",)

    def read(self, path: Path, settings: Reading) -> Picture:  # noqa: ARG002
        """Read an array of shape (h, w), (h, w, 1), (h, w, 3) or (h, w, 4)."""
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        shape = array.shape
        if len(shape) not in {2, 3} or shape[2:] not in {(), (1,), (3,), (4,)} or 0 in shape:
            raise InputError(f"{path}: must have shape (h, w, 3); found {shape}")
        if array.dtype.kind != "f":
            raise InputError(f"{path}: must hold floats, linear RGB; found {array.dtype}")
        check_size(path, shape[1], shape[0])
        values = np.array(array, np.float32).reshape(*shape[:2], -1)
        colour = values[..., :3] if values.shape[2] >= 3 else np.repeat(values, 3, axis=2)
        return Picture(image=colour, alpha=values[..., 3] if values.shape[2] == 4 else None)

    def encode(self, image: NDArray[np.float32]) -> bytes:
        """Encode as a file."""
        stream = io.BytesIO()
        np.save(stream, image, allow_pickle=False)
        return stream.getvalue()
