"""A picture: its values, and what else its file says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.images.colour import Curve, Encoding

__all__ = ["CameraSettings", "Picture", "Reading"]

OPAQUE = 0.99
"""Least alpha of a pixel that shows nothing but the scene."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Choices for files that can be read in several ways.

    Attributes:
        gamma: exponent that linearizes integer values; None to do as the file says.
        layer: layer to read from an EXR file, e.g. "ViewLayer.Combined"; None for the only one.
    """

    gamma: float | None = None
    layer: str | None = None


LEAST_EXPOSURE, MOST_EXPOSURE = 1e-7, 1e7
"""Cameras reach from 1/8000 s at ISO 50 and f/22, 1e-5, to half a minute at ISO 25,600, 4e5."""


@dataclass(frozen=True, kw_only=True)
class CameraSettings:
    """The camera's settings from EXIF; None for those that it lacks.

    Attributes:
        exposure_time: seconds.
        f_number: focal length over aperture.
        iso: sensitivity.
        focal_length: millimetres.
        focal_length_35mm: millimetres that give the same field of view on a film of 36 x 24 mm.
    """

    exposure_time: float | None = None
    f_number: float | None = None
    iso: float | None = None
    focal_length: float | None = None
    focal_length_35mm: float | None = None

    @property
    def exposure(self) -> float | None:
        """Seconds times ISO over the square of the f-number.

        None unless all three are known, and if it is so large or small that they cannot be true.
        """
        if self.exposure_time is None or self.iso is None or self.f_number is None:
            return None
        found = self.exposure_time * self.iso / self.f_number**2
        return found if LEAST_EXPOSURE <= found <= MOST_EXPOSURE else None


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """An image file's values and what else it says.

    Attributes:
        image: linear Rec. 709 RGB, shape (h, w, 3), float32, in the file's rows and columns.
        alpha: opacity of each pixel, shape (h, w), from 0 to 1; None if the file has none.
        orientation: EXIF's number, 1 to 8, for the turn that shows the picture upright.
        white: linear value from which values are clipped at the top; None if none are.
        black: linear value from which values are clipped at the bottom; None if none are.
        bit_depth: bits of a stored integer; None for floating-point files.
        camera: settings of the camera.
        jpeg_quality: 1 to 100, as the IJG's encoder counts; None for other files.
        subsampling: colour subsampling of a JPEG, "4:4:4", "4:2:2" or "4:2:0"; None for others.
        stored: values as stored, shape (h, w, 1 or 3), integers that use the full range of their
            type; None for floating-point files.
        encoding: how they became `image`; None without them.
        notes: phrases that report to the user what was done or chosen in reading.
    """

    image: NDArray[np.float32]
    alpha: NDArray[np.float32] | None = None
    orientation: int = 1
    white: float | None = None
    black: float | None = None
    bit_depth: int | None = None
    camera: CameraSettings = field(default_factory=CameraSettings)
    jpeg_quality: int | None = None
    subsampling: str | None = None
    stored: NDArray[np.unsignedinteger[Any]] | None = None
    encoding: Encoding | None = None
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        height, width, _ = self.image.shape
        return width, height

    @property
    def upright(self) -> Picture:
        """The picture turned upright by its orientation; itself if it needs no turn."""
        if self.orientation not in _TURNS:
            return self
        turned = replace(
            self,
            image=_turned(self.image, self.orientation),
            alpha=None if self.alpha is None else _turned(self.alpha, self.orientation),
            stored=None if self.stored is None else _turned(self.stored, self.orientation),
            orientation=1,
        )
        return turned.noting(f"turned upright (EXIF orientation {self.orientation})")

    def for_size(self, size: tuple[int, int]) -> Picture:
        """The picture as stored or upright, whichever is landscape or portrait like a given size.

        The size is (width, height). If it or the picture is square, the picture is turned upright.
        """
        width, height = self.size
        is_as_stored = (width - height) * (size[0] - size[1]) > 0
        if self.orientation >= 5 and is_as_stored:
            note = f"rows as stored (EXIF orientation {self.orientation} does not fit the sensor)"
            return replace(self, orientation=1).noting(note)
        return self.upright

    @property
    def mask(self) -> NDArray[np.float32] | None:
        """1 where the picture is opaque, 0 elsewhere; None if it is opaque everywhere.

        Partly transparent pixels mix in a background that no map explains.
        """
        if self.alpha is None or (self.alpha >= OPAQUE).all():
            return None
        return (self.alpha >= OPAQUE).astype(np.float32)

    def linearized(self, curves: tuple[Curve, ...]) -> Picture:
        """The picture with other curves from stored to linear values; primaries stay.

        One of floating-point values, which are linear, stays as it is.
        """
        if self.stored is None or self.encoding is None:
            return self
        encoding = replace(self.encoding, curves=curves)
        white, black = encoding.levels(np.iinfo(self.stored.dtype).max)
        return replace(
            self,
            image=encoding.decode(self.stored),
            encoding=encoding,
            white=None if self.white is None else white,
            black=None if self.black is None else black,
        )

    def noting(self, *notes: str) -> Picture:
        """Return the picture with more notes."""
        return replace(self, notes=self.notes + notes)


_TURNS: dict[int, tuple[bool, int]] = {
    2: (True, 0),
    3: (False, 2),
    4: (True, 2),
    5: (True, 1),
    6: (False, 3),
    7: (True, 3),
    8: (False, 1),
}
"""EXIF orientation: whether columns are mirrored, then quarter turns counter-clockwise."""


def _turned(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    is_mirrored, turns = _TURNS[orientation]
    return np.ascontiguousarray(np.rot90(array[:, ::-1] if is_mirrored else array, turns))
