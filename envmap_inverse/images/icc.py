"""Read the kinds of ICC profiles that cameras, phones and raw converters embed.

They hold three primaries and three curves (matrix/TRC profiles, ICC.1:2022, 8.3.3 and 8.4.3), or
one curve for grey. Applying them here keeps the depth and the gamut that a conversion to 8-bit
sRGB would lose.
"""

from __future__ import annotations

import struct
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.images.colour import (
    MIN_SHIFT,
    REC_709,
    Curve,
    Encoding,
    adapt,
    power,
    rgb_to_xyz,
    srgb_to_linear,
)

__all__ = ["read_profile"]

_D50 = (0.9642, 1.0, 0.8249)
"""White of the profile connection space (ICC.1:2022, 7.2.16)."""

_NUM_PARAMETERS = (1, 3, 4, 5, 7)
_LEVELS = np.arange(256) / 255


def read_profile(data: bytes) -> Encoding:
    """Read the encoding from a matrix/TRC or grey profile.

    Raises:
        InputError: if it is damaged or of another kind; the message is to follow a file's name.
    """
    try:
        return _read(data)
    except (struct.error, IndexError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"its colour profile is damaged: {error}") from None


def _read(data: bytes) -> Encoding:
    space = data[16:20]
    tags = {}
    for number in range(min(struct.unpack_from(">I", data, 128)[0], 100)):
        signature, offset, size = struct.unpack_from(">4sII", data, 132 + 12 * number)
        tags[signature] = data[offset : offset + size]
    name = _name(tags.get(b"desc", b""))
    if space == b"GRAY" and b"kTRC" in tags:
        return Encoding(name=name, curves=(_curve(tags[b"kTRC"]),))
    if space != b"RGB " or not {b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC"} <= set(tags):
        kind = space.decode("latin-1").strip()
        raise InputError(
            f"its colour profile {name!r} ({kind}) is not made of primaries and curves; convert "
            "the picture to sRGB"
        )
    curves = tuple(_curve(tags[tag]) for tag in (b"rTRC", b"gTRC", b"bTRC"))
    columns = [struct.unpack_from(">8x3i", tags[tag]) for tag in (b"rXYZ", b"gXYZ", b"bXYZ")]
    matrix = _D50_TO_REC_709 @ (np.array(columns).T / 65536)
    is_ours = abs(matrix - np.eye(3)).max() < MIN_SHIFT
    return Encoding(name=name, curves=curves, matrix=None if is_ours else matrix)


def _name(tag: bytes) -> str:
    """The text of a description: 'desc' of version 2 or 'mluc' of version 4."""
    if tag[:4] == b"desc":
        (length,) = struct.unpack_from(">I", tag, 8)
        text = tag[12 : 12 + length].decode("latin-1")
    elif tag[:4] == b"mluc":
        length, offset = struct.unpack_from(">II", tag, 20)
        text = tag[offset : offset + length].decode("utf-16-be", "replace")
    else:
        text = ""
    return " ".join(text.replace("\0", " ").split()) or "unnamed"


def _curve(tag: bytes) -> Curve:
    """Read a 'curv' or 'para' tag (ICC.1:2022, 10.6 and 10.18); near sRGB's curve, return that."""
    if tag[:4] == b"curv":
        curve = _sampled(tag)
    elif tag[:4] == b"para":
        (kind,) = struct.unpack_from(">H", tag, 8)
        values = struct.unpack_from(f">{_NUM_PARAMETERS[kind]}i", tag, 12)
        curve = partial(_parametric, kind, tuple(value / 65536 for value in values))
    else:
        raise ValueError(f"a curve of type {tag[:4]!r}")
    found, srgb = curve(_LEVELS), srgb_to_linear(_LEVELS)
    return srgb_to_linear if (abs(found - srgb) < 3e-5 + 2e-3 * srgb).all() else curve


def _sampled(tag: bytes) -> Curve:
    (count,) = struct.unpack_from(">I", tag, 8)
    if count == 0:
        return power(1.0)
    samples = struct.unpack_from(f">{count}H", tag, 12)
    if count == 1:
        return power(samples[0] / 256)
    return partial(_interpolated, np.array(samples) / 65535)


def _interpolated(
    samples: NDArray[np.float64], values: NDArray[np.floating[Any]]
) -> NDArray[np.floating[Any]]:
    """Interpolate linearly; extrapolate with the slope at each end."""
    last = len(samples) - 1
    place = np.asarray(values, np.float64) * last
    left = np.clip(np.floor(place), 0, last - 1).astype(int)
    return np.asarray(samples[left] + (place - left) * (samples[left + 1] - samples[left]))


def _parametric(
    kind: int, parameters: tuple[float, ...], values: NDArray[np.floating[Any]]
) -> NDArray[np.floating[Any]]:
    """Apply table 68 of ICC.1:2022: (a v + b)^g + e from v = d up, c v + f below."""
    g, a, b, c, d, e, f = (*parameters, *(1.0, 0.0, 0.0, 0.0, 0.0, 0.0)[len(parameters) - 1 :])
    if kind in {1, 2}:
        d = -b / a
        e = f = parameters[3] if kind == 2 else 0.0
        c = 0.0
    above = np.maximum(a * values + b, 0) ** g + e
    return np.where(values >= d, above, c * values + f) if kind else power(g)(values)


_D50_TO_REC_709 = np.linalg.inv(adapt(rgb_to_xyz(REC_709).sum(axis=1), _D50) @ rgb_to_xyz(REC_709))
