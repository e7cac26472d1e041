"""JPEG."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from envmap_inverse.images.by_pillow import read_by_pillow
from envmap_inverse.images.picture import Picture, Reading
from envmap_inverse.images.tone import Uint8Image, tonemap

__all__ = ["Jpeg", "encode_jpeg"]

_SUBSAMPLINGS = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
_STANDARD_SUM = 3688
"""Sum of the luminance table in annex K.1 of ITU-T T.81, which the IJG's encoder scales."""


class Jpeg:
    """8 bits, in the encoding of its profile; sRGB without one.

    Written tone-mapped at exposure 1.
    """

    endings = (".jpg", ".jpeg")

    def read(self, path: Path, settings: Reading) -> Picture:
        """Read the picture, with the quality and subsampling of its compression."""
        picture = read_by_pillow(path, settings)
        with Image.open(path) as file:
            if not isinstance(file, JpegImagePlugin.JpegImageFile):
                return picture
            return replace(
                picture,
                jpeg_quality=_quality(file),
                subsampling=_SUBSAMPLINGS.get(JpegImagePlugin.get_sampling(file)),
            )

    def encode(self, image: NDArray[np.float32]) -> bytes:
        """Encode as a file."""
        return encode_jpeg(tonemap(image))


def encode_jpeg(image: Uint8Image, *, quality: int = 92) -> bytes:
    """Encode an 8-bit image as a JPEG file, in a tenth of the time of a PNG."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality, subsampling=0)
    return stream.getvalue()


def _quality(file: JpegImagePlugin.JpegImageFile) -> int | None:
    """The IJG encoder's quality whose luminance table has the same sum as the file's.

    That encoder scales the standard table by 2 - q/50, below 50 by 50/q.
    """
    table = file.quantization.get(0)
    if table is None:
        return None
    scale = float(np.sum(table)) / _STANDARD_SUM
    quality = 50 * (2 - scale) if scale <= 1 else 50 / scale
    return int(np.clip(round(quality), 1, 100))
