"""JPEG XL."""

from __future__ import annotations

from pathlib import Path

from envmap_inverse.images.by_openimageio import read_by_openimageio
from envmap_inverse.images.picture import Picture, Reading

__all__ = ["Jxl"]


class Jxl:
    """Integers or floats, in the encoding that the file names; its decoder turns it upright."""

    endings = (".jxl",)

    def read(self, path: Path, settings: Reading) -> Picture:
        """Read the first frame."""
        return read_by_openimageio(path, settings, is_turned=True)
