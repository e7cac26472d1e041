"""EXIF data about the camera, read by Pillow or by OpenImageIO."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from PIL import ExifTags, Image

from envmap_inverse.images.picture import CameraSettings

__all__ = ["is_adobe_rgb", "orientation_of", "settings_of"]

_TAGS = {
    "exposure_time": ExifTags.Base.ExposureTime,
    "f_number": ExifTags.Base.FNumber,
    "iso": ExifTags.Base.ISOSpeedRatings,
    "focal_length": ExifTags.Base.FocalLength,
    "focal_length_35mm": ExifTags.Base.FocalLengthIn35mmFilm,
}


def settings_of(exif: Image.Exif) -> CameraSettings:
    """The camera's settings; None for each that is missing or not a positive number."""
    tags: Mapping[int, Any] = {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
    return CameraSettings(**{name: _number(tags.get(tag)) for name, tag in _TAGS.items()})


def orientation_of(exif: Image.Exif) -> int:
    """EXIF's orientation, from 1 to 8; 1 if it is missing or out of range."""
    value = exif.get(ExifTags.Base.Orientation, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def is_adobe_rgb(exif: Image.Exif) -> bool:
    """Whether a camera without a profile says that its picture is in Adobe RGB (DCF 2.0)."""
    interoperability = exif.get_ifd(ExifTags.IFD.Interop)
    return str(interoperability.get(ExifTags.Interop.InteropIndex, "")).strip("\0 ") == "R03"


def _number(value: Any) -> float | None:
    if isinstance(value, tuple | list):
        value = value[0] if value else None
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) and number > 0 else None
