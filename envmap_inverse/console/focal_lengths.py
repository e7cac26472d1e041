"""The focal length of a picture, by its EXIF data."""

from __future__ import annotations

import math
from typing import NamedTuple

from envmap_inverse.problem.view import View

__all__ = ["FocalLength", "exif_focal_length"]

FULL_FRAME_DIAGONAL = math.hypot(36, 24)
CAMERA_ASPECTS = (4 / 3, 3 / 2, 16 / 9)
ASPECT_TOLERANCE = 0.01


class FocalLength(NamedTuple):
    """What EXIF says of a picture's focal length.

    Attributes:
        pixels: the focal length; None if EXIF does not tell.
        why: how it is known, or why it is not.
    """

    pixels: float | None
    why: str


def exif_focal_length(view: View) -> FocalLength:
    """The focal length by EXIF's FocalLengthIn35mmFilm.

    That gives the field of view along the diagonal of a whole picture. A picture that does not have
    a camera's shape (4:3, 3:2 or 16:9) counts as cropped, so that EXIF does not fit it.

    Args:
        view: at the size of its picture.
    """
    height, width, _ = view.image.shape
    full_frame = None if view.picture is None else view.picture.camera.focal_length_35mm
    if full_frame is None:
        return FocalLength(None, "no focal length for 35 mm in its EXIF")
    if not _is_whole(width, height):
        return FocalLength(
            None, "a crop, to judge by its shape, which EXIF's focal length does not fit"
        )
    pixels = full_frame * math.hypot(width, height) / FULL_FRAME_DIAGONAL
    return FocalLength(pixels, f"by EXIF's {full_frame:g} mm")


def _is_whole(width: int, height: int) -> bool:
    """Whether a picture has the shape of a camera's."""
    aspect = max(width, height) / min(width, height)
    return any(abs(aspect / known - 1) < ASPECT_TOLERANCE for known in CAMERA_ASPECTS)
