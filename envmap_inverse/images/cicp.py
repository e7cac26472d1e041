"""Colour code points in PNG, JPEG XL, HEIC and AVIF (ITU-T H.273)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.images.colour import REC_709, Encoding, power, srgb_to_linear

__all__ = ["encoding_of_codes", "find_nclx"]

UNSPECIFIED = 2


def _bt_709_to_linear(values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Invert the camera curve of ITU-R BT.709-6."""
    return np.where(
        values < 0.081, values / 4.5, (np.maximum(values + 0.099, 0) / 1.099) ** (1 / 0.45)
    )


_PRIMARIES = {
    1: ("Rec. 709", REC_709),
    UNSPECIFIED: ("Rec. 709", REC_709),
    9: ("Rec. 2020", (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290)),
    12: ("Display P3", (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290)),
}
_CURVES = {
    **dict.fromkeys((1, 6, 14, 15), _bt_709_to_linear),
    UNSPECIFIED: srgb_to_linear,
    4: power(2.2),
    5: power(2.8),
    8: power(1.0),
    13: srgb_to_linear,
}
_HDR = {16: "PQ", 18: "HLG"}


def encoding_of_codes(primaries: int, transfer: int) -> Encoding:
    """The encoding that two code points stand for.

    Raises:
        InputError: if the encoding is unknown; the message is to follow a file's name.
    """
    if primaries not in _PRIMARIES or transfer not in _CURVES:
        curve = _HDR.get(transfer, f"transfer {transfer}")
        raise InputError(
            f"its colours are coded as {curve}, primaries {primaries} (H.273), which is unknown; "
            "convert it to sRGB, or to linear values in an EXR"
        )
    name, chromaticities = _PRIMARIES[primaries]
    return Encoding.of(f"{name}, transfer {transfer}", _CURVES[transfer], chromaticities)


def find_nclx(data: bytes) -> tuple[int, int] | None:
    """Primaries and transfer of the first colour box in the first bytes of an HEIC or AVIF file."""
    place = data.find(b"colrnclx")
    if place < 0 or len(data) < place + 12:
        return None
    codes = data[place + 8 : place + 12]
    return int.from_bytes(codes[:2]), int.from_bytes(codes[2:])
