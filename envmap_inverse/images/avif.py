"""AVIF and WebP, which Pillow reads."""

from __future__ import annotations

from pathlib import Path

from PIL import features

from envmap_inverse.errors import InputError
from envmap_inverse.images.by_pillow import read_by_pillow
from envmap_inverse.images.picture import Picture, Reading

__all__ = ["Avif", "Webp"]


class Webp:
    """8 bits, in the encoding of the profile; sRGB without one."""

    endings = (".webp",)

    def read(self, path: Path, settings: Reading) -> Picture:
        """Read the first picture."""
        return read_by_pillow(path, settings)


class Avif:
    """8 bits (of 10 or 12), in the encoding of the profile or code points."""

    endings = (".avif",)

    def read(self, path: Path, settings: Reading) -> Picture:
        """Read the first picture."""
        if not features.check("avif"):
            raise InputError(f"{path}: this Pillow cannot read AVIF; pip install 'pillow>=11.3'")
        return read_by_pillow(path, settings)
