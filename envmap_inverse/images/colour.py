"""Convert stored values to linear RGB: transfer curves and primaries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "ADOBE_RGB",
    "LINEAR",
    "REC_709",
    "SRGB",
    "Curve",
    "Encoding",
    "Primaries",
    "adapt",
    "linear_to_srgb",
    "power",
    "rgb_to_xyz",
    "srgb_to_linear",
    "to_rec_709",
]

Curve = Callable[[NDArray[np.floating[Any]]], NDArray[np.floating[Any]]]
"""Maps stored values, which range from 0 to 1, to linear ones."""

Primaries = Sequence[float] | NDArray[np.float64]
"""CIE 1931 (x, y) of red, green, blue and white: eight numbers."""

REC_709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
"""The primaries of sRGB and of all radiance here (ITU-R BT.709-6)."""

MIN_SHIFT = 2e-3
"""Matrices this near to the identity count as it: profiles round their primaries."""

_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
"""XYZ to cone responses (ICC.1:2022, annex E)."""


def srgb_to_linear(values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Decode sRGB values in [0, 1] to linear ones (IEC 61966-2-1)."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Encode linear values in [0, 1] as sRGB (IEC 61966-2-1)."""
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)


def power(exponent: float) -> Curve:
    """The curve v ** exponent, odd about 0."""
    return partial(_power, exponent)


def _power(exponent: float, values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    return np.asarray(np.sign(values) * np.abs(values) ** exponent)


def rgb_to_xyz(primaries: Primaries) -> NDArray[np.float64]:
    """Matrix from linear RGB to CIE XYZ in which RGB white has Y = 1 (SMPTE RP 177).

    Raises:
        numpy.linalg.LinAlgError: if the primaries lie on a line.
    """
    xy = np.asarray(primaries, np.float64).reshape(4, 2)
    x, y = xy.T
    columns = np.stack([x, y, 1 - x - y])
    with np.errstate(all="ignore"):  # the caller refuses what is not finite
        white = columns[:, 3] / columns[1, 3]
        return np.asarray(columns[:, :3] * np.linalg.solve(columns[:, :3], white))


def adapt(white: ArrayLike, to_white: ArrayLike) -> NDArray[np.float64]:
    """Bradford's matrix in XYZ that takes one white to another (ICC.1:2022, annex E)."""
    response, wanted = _BRADFORD @ np.asarray(white), _BRADFORD @ np.asarray(to_white)
    return np.asarray(np.linalg.solve(_BRADFORD, np.diag(wanted / response) @ _BRADFORD))


def to_rec_709(
    primaries: Primaries | None = None, *, keeps_white: bool = False
) -> NDArray[np.float64]:
    """Matrix from linear RGB with given primaries, or from CIE XYZ, to linear Rec. 709 RGB.

    Args:
        primaries: primaries of the RGB; None for XYZ.
        keeps_white: whether RGB white stays white (Bradford), or keeps its colour.
    """
    from_xyz = np.linalg.inv(rgb_to_xyz(REC_709))
    if primaries is None:
        return np.asarray(from_xyz)
    to_xyz = rgb_to_xyz(primaries)
    if keeps_white:
        white = rgb_to_xyz(REC_709).sum(axis=1)
        to_xyz = adapt(to_xyz.sum(axis=1), white) @ to_xyz
    matrix = from_xyz @ to_xyz
    return np.eye(3) if abs(matrix - np.eye(3)).max() < MIN_SHIFT else np.asarray(matrix)


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoding:
    """A colour encoding.

    Attributes:
        name: its name in messages.
        curves: from stored to linear values, one for all channels or one for each.
        matrix: from linear values to linear Rec. 709 RGB, shape (3, 3); None for the identity.
    """

    name: str
    curves: tuple[Curve, ...]
    matrix: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, name: str, curve: Curve, primaries: Primaries) -> Encoding:
        """An encoding with a curve and primaries; its white becomes our white."""
        matrix = to_rec_709(primaries, keeps_white=True)
        return cls(name=name, curves=(curve,), matrix=_unless_identity(matrix))

    def decode(self, values: NDArray[Any], gamma: float | None = None) -> NDArray[np.float32]:
        """Convert stored values to linear Rec. 709 RGB.

        Args:
            values: shape (h, w, c) with 1 or 3 channels; integers use the full range of their type.
            gamma: exponent of a power law in place of the curves.

        Returns:
            Shape (h, w, 3).
        """
        curves = self.curves if gamma is None else (power(gamma),)
        num_channels = values.shape[2]
        linear = np.empty((*values.shape[:2], 3), np.float32)
        for channel in range(num_channels):
            decoded = _decode(values[..., channel], curves[min(channel, len(curves) - 1)])
            linear[..., channel : channel + 3 // num_channels] = decoded[..., None]
        if self.matrix is None or num_channels == 1:
            return linear
        return np.asarray(linear @ self.matrix.T.astype(np.float32))

    def levels(self, top: int, gamma: float | None = None) -> tuple[float, float]:
        """Clipping levels: the linear values of the second highest and second lowest stored value.

        Compression moves values by one. `top` is the highest.
        """
        curves = self.curves if gamma is None else (power(gamma),)
        ends = np.array([(top - 1) / top, 1 / top])
        white, black = np.min([curve(ends) for curve in curves], axis=0)
        return float(white), float(black)


def _unless_identity(matrix: NDArray[np.float64]) -> NDArray[np.float64] | None:
    return None if abs(matrix - np.eye(3)).max() < MIN_SHIFT else matrix


def _decode(values: NDArray[Any], curve: Curve) -> NDArray[np.float32]:
    if values.dtype.kind != "u":
        return np.asarray(curve(values.astype(np.float32)), np.float32)
    top = np.iinfo(values.dtype).max
    table = np.asarray(curve(np.arange(top + 1) / top), np.float32)
    return np.asarray(table[values])


def _linear(values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    return values


SRGB = Encoding(name="sRGB", curves=(srgb_to_linear,))
LINEAR = Encoding(name="linear", curves=(_linear,))
ADOBE_RGB = Encoding.of(
    "Adobe RGB", power(563 / 256), (0.64, 0.33, 0.21, 0.71, 0.15, 0.06, 0.3127, 0.3290)
)
"""Adobe RGB (1998), whose exponent is 2 + 51/256."""
