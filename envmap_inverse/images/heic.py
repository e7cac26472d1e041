"""HEIC, which phones write; reading it needs the extra `heic`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from envmap_inverse.errors import InputError
from envmap_inverse.images.by_pillow import read_by_pillow
from envmap_inverse.images.picture import Picture, Reading

__all__ = ["Heic"]


class Heic:
    """8 bits (of 10 or 12), in the encoding of its profile or code points."""

    endings = (".heic", ".heif")

    def read(self, path: Path, settings: Reading) -> Picture:
        """Read the primary picture, which the decoder turns upright.

        Raises:
            InputError: if pi-heif is not installed.
        """
        try:
            import pi_heif  # noqa: PLC0415 - an extra
        except ImportError:
            raise InputError(
                f"{path}: HEIC needs another package: pip install 'envmap-inverse[heic]'"
            ) from None
        pi_heif.register_heif_opener()
        return replace(read_by_pillow(path, settings), orientation=1)
