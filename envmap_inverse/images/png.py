"""PNG of 8 or 16 bits."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from envmap_inverse.images.by_openimageio import read_by_openimageio
from envmap_inverse.images.by_pillow import num_frames, warn_of_frames
from envmap_inverse.images.colour import LINEAR, REC_709, SRGB, Encoding, power
from envmap_inverse.images.picture import Picture, Reading
from envmap_inverse.images.tone import Uint8Image, tonemap

__all__ = ["Png", "encode_png"]

SRGB_GAMMA = 0.45455
"""Gamma that writers of sRGB give, although its curve is not quite a power (PNG, 11.3.2.5)."""


class Png:
    """Encoded as its chunk cICP, iCCP, sRGB, or gAMA and cHRM says, in this order; straight alpha.

    Written with 8 bits, tone-mapped at exposure 1.
    """

    endings = (".png",)

    def read(self, path: Path, settings: Reading) -> Picture:
        """Read the picture."""
        with Image.open(path) as file:
            encoding = _encoding(file.info)
            warn_of_frames(path, num_frames(file))
        return read_by_openimageio(path, settings, without_profile=encoding)

    def encode(self, image: NDArray[np.float32]) -> bytes:
        """Encode as a file."""
        return encode_png(tonemap(image))


def encode_png(image: Uint8Image, *, compression: int = 6) -> bytes:
    """Encode an 8-bit image as a PNG file."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG", compress_level=compression)
    return stream.getvalue()


def _encoding(chunks: dict[str | tuple[int, int], Any]) -> Encoding:
    """The encoding that sRGB, or gAMA and cHRM, give."""
    gamma, chromaticity = chunks.get("gamma"), chunks.get("chromaticity")
    if "srgb" in chunks or not (gamma or chromaticity):
        return SRGB
    if not gamma or abs(gamma - SRGB_GAMMA) < 1e-3:
        curve, name = SRGB.curves[0], "its cHRM"
    elif gamma == 1:
        curve, name = LINEAR.curves[0], "linear values (gAMA 1)"
    else:
        curve, name = power(1 / gamma), f"its gAMA {gamma:g}"
    primaries = (*chromaticity[2:], *chromaticity[:2]) if chromaticity else REC_709
    try:
        return Encoding.of(name, curve, primaries)
    except (np.linalg.LinAlgError, ValueError):
        return Encoding(name=name, curves=(curve,))
