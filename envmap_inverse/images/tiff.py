"""TIFF of 8, 16 or 32 bits."""

from __future__ import annotations

from pathlib import Path

from envmap_inverse.images.by_openimageio import read_by_openimageio
from envmap_inverse.images.picture import Picture, Reading

__all__ = ["Tiff"]


class Tiff:
    """Integers in the encoding of their profile, sRGB without one; floats are linear."""

    endings = (".tif", ".tiff")

    def read(self, path: Path, settings: Reading) -> Picture:
        """Read the first page."""
        return read_by_openimageio(path, settings)
