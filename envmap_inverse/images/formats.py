"""The table of image formats that are read and written, by file ending.

A new format is a class with `endings` and `read`, and with `encode` if it is also written, in a
file of its own; add an instance to `FORMATS`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.images.avif import Avif, Webp
from envmap_inverse.images.exr import Exr
from envmap_inverse.images.hdr import Hdr
from envmap_inverse.images.heic import Heic
from envmap_inverse.images.jpeg import Jpeg
from envmap_inverse.images.jxl import Jxl
from envmap_inverse.images.npy import Npy
from envmap_inverse.images.picture import Picture, Reading
from envmap_inverse.images.png import Png
from envmap_inverse.images.raw import Raw
from envmap_inverse.images.tiff import Tiff

__all__ = ["FORMATS", "Format", "Writable", "endings", "format_of", "is_readable"]


class Format(Protocol):
    """A kind of image file.

    Attributes:
        endings: endings of file names, in lower case and with their dot.
    """

    @property
    def endings(self) -> tuple[str, ...]: ...  # noqa: D102

    def read(self, path: Path, settings: Reading) -> Picture:
        """Read a file; may raise anything if the file is damaged."""


@runtime_checkable
class Writable(Format, Protocol):
    """A format that is also written."""

    def encode(self, image: NDArray[np.float32]) -> bytes:
        """Encode linear RGB, shape (h, w, 3), as a file."""


FORMATS: tuple[Format, ...] = (
    Exr(),
    Hdr(),
    Png(),
    Npy(),
    Jpeg(),
    Tiff(),
    Heic(),
    Avif(),
    Webp(),
    Jxl(),
    Raw(),
)


def endings(*, written: bool = False) -> tuple[str, ...]:
    """The endings of all formats, or of those that are written."""
    return tuple(
        ending
        for kind in FORMATS
        if not written or isinstance(kind, Writable)
        for ending in kind.endings
    )


def is_readable(path: Path) -> bool:
    """Whether a file has the ending of a format."""
    return path.suffix.lower() in endings()


def format_of(path: Path, *, written: bool = False) -> Format:
    """The format that a file's ending stands for.

    Raises:
        InputError: if no format has this ending.
    """
    for kind in FORMATS:
        if path.suffix.lower() in kind.endings and (not written or isinstance(kind, Writable)):
            return kind
    known = ", ".join(endings(written=written))
    raise InputError(f"{path}: unknown kind of image; use one of {known}")
