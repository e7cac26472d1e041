"""Radiance HDR: header, the three codings, and the orders of pixels.

After the file formats chapter of the Radiance documentation (Ward, `filefmts.pdf`) and Ward, "Real
pixels", Graphics Gems II, 1991.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from envmap_inverse import backend
from envmap_inverse.backend import mi
from envmap_inverse.errors import InputError
from envmap_inverse.images.colour import to_rec_709
from envmap_inverse.images.limits import check_size
from envmap_inverse.images.picture import Picture, Reading

__all__ = ["Hdr"]

_RESOLUTION = re.compile(rb"^([-+])([XY]) (\d+) ([-+])([XY]) (\d+)\s*$", re.MULTILINE)
_HEADER_BYTES = 2**16
_FORMATS = ("32-bit_rle_rgbe", "32-bit_rle_xyze")


class Hdr:
    """Radiance files, linear RGB or XYZ of 8 bits with a common exponent. Written as RGB."""

    endings = (".hdr",)

    def read(self, path: Path, settings: Reading) -> Picture:  # noqa: ARG002
        """Read as radiance, with exposure and colour correction divided out."""
        data = path.read_bytes()
        header = _Header.of(path, data[:_HEADER_BYTES])
        check_size(path, *header.size)
        scanlines = _decode(path, data[header.num_bytes :], header.num_scanlines, header.length)
        image = header.ordered(scanlines)
        notes = []
        factor = header.correction()
        if (factor != 1).any():
            image /= factor.astype(np.float32)
            notes.append(f"divided by its EXPOSURE and COLORCORR, {factor.round(6).tolist()}")
        matrix = header.matrix(path)
        if not (matrix == np.eye(3)).all():
            image = image @ matrix.T.astype(np.float32)
            notes.append("converted from XYZ" if header.is_xyz else "converted from its PRIMARIES")
        return Picture(image=image, notes=tuple(notes))

    def encode(self, image: NDArray[np.float32]) -> bytes:
        """Encode as a file.

        Raises:
            InputError: if a value is NaN or infinite.
        """
        if not np.isfinite(image).all():
            raise InputError("HDR files cannot hold NaN or infinity; write EXR")
        backend.select_variant()
        stream = mi.MemoryStream()
        mi.Bitmap(image).write(stream, mi.Bitmap.FileFormat.RGBE)
        return bytes(stream.raw_buffer())


@dataclass(frozen=True, kw_only=True)
class _Header:
    """Variables, each with all its values, and the resolution line.

    Attributes:
        variables: by name.
        axes: sign, "X" or "Y", and number: first of the scanlines, then of the pixels in one.
        num_bytes: bytes before the pixels.
    """

    variables: Mapping[str, list[str]]
    axes: tuple[tuple[str, str, int], ...]
    num_bytes: int

    @classmethod
    def of(cls, path: Path, data: bytes) -> _Header:
        match = _RESOLUTION.search(data)
        if match is None or match[2] == match[5]:
            raise InputError(f"{path}: not a Radiance HDR file: it has no resolution line")
        variables: dict[str, list[str]] = {}
        for line in data[: match.start()].decode("latin-1").splitlines():
            name, sign, value = line.partition("=")
            if sign and not line[:1].isspace():  # indented: of a source file
                variables.setdefault(name.strip().upper(), []).append(value.strip())
        axes = tuple((match[k].decode(), match[k + 1].decode(), int(match[k + 2])) for k in (1, 4))
        header = cls(variables=variables, axes=axes, num_bytes=data.index(b"\n", match.end(6)) + 1)
        format_ = variables.get("FORMAT", _FORMATS[:1])[-1]
        if format_ not in _FORMATS:
            raise InputError(f"{path}: its FORMAT is {format_!r}, not one of {', '.join(_FORMATS)}")
        return header

    @property
    def num_scanlines(self) -> int:
        return self.axes[0][2]

    @property
    def length(self) -> int:
        return self.axes[1][2]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        sides = {axis: number for _, axis, number in self.axes}
        return sides["X"], sides["Y"]

    @property
    def is_xyz(self) -> bool:
        return self.variables.get("FORMAT", _FORMATS[:1])[-1] == _FORMATS[1]

    def ordered(self, scanlines: NDArray[np.float32]) -> NDArray[np.float32]:
        """Reorder to rows from the top and columns from the left."""
        image = scanlines if self.axes[0][1] == "Y" else scanlines.swapaxes(0, 1)
        signs = {axis: sign for sign, axis, _ in self.axes}
        image = image if signs["Y"] == "-" else image[::-1]
        return np.array(image if signs["X"] == "+" else image[:, ::-1])

    def correction(self) -> NDArray[np.float64]:
        """Factor per channel by which radiance was multiplied."""
        factor = np.ones(3)
        for name, count in (("EXPOSURE", 1), ("COLORCORR", 3)):
            for value in self.variables.get(name, ()):
                factor = factor * _numbers(name, value, count)
        if not (np.isfinite(factor) & (factor > 0)).all():
            raise InputError(f"its EXPOSURE and COLORCORR give the factor {factor.tolist()}")
        return factor

    def matrix(self, path: Path) -> NDArray[np.float64]:
        """Matrix to linear Rec. 709 RGB. White stays white, as in Radiance's own conversions."""
        if self.is_xyz:
            return to_rec_709(None)
        primaries = self.variables.get("PRIMARIES", [])
        if not primaries:
            return np.eye(3)
        try:
            matrix = to_rec_709(_numbers("PRIMARIES", primaries[-1], 8), keeps_white=True)
        except np.linalg.LinAlgError:
            matrix = np.full((3, 3), np.nan)
        if not np.isfinite(matrix).all():
            raise InputError(f"{path}: its PRIMARIES {primaries[-1]} span no colours")
        return matrix


def _numbers(name: str, value: str, count: int) -> NDArray[np.float64]:
    try:
        numbers = [float(word) for word in value.split()]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise ValueError(f"its {name} must be {count} numbers; found {value!r}")
    return np.array(numbers)


def _decode(path: Path, data: bytes, num_scanlines: int, length: int) -> NDArray[np.float32]:
    """Scanlines of pixels, shape (scanlines, length, 3)."""
    count = num_scanlines * length
    if 8 <= length < 2**15 and data[:4] == b"\x02\x02" + length.to_bytes(2):
        pixels = _run_length_decoded(data, num_scanlines, length)
    else:
        pixels = np.frombuffer(data[: len(data) // 4 * 4], np.uint8).reshape(-1, 4)
        pixels = pixels if len(pixels) == count else _expanded(pixels)
    if len(pixels) < count:
        raise InputError(f"{path}: damaged: holds {len(pixels)} of {count} pixels")
    colours, exponents = pixels[:count, :3], pixels[:count, 3:].astype(np.int32)
    scale = np.where(exponents > 0, np.ldexp(np.float32(1), exponents - 136), np.float32(0))
    return np.asarray(colours * scale, np.float32).reshape(num_scanlines, length, 3)


def _run_length_decoded(data: bytes, num_scanlines: int, length: int) -> NDArray[np.uint8]:
    """Decode the new coding: each scanline channel by channel, in runs and literal stretches."""
    marker, place, planes = data[:4], 0, bytearray()
    for scanline in range(num_scanlines):
        if data[place : place + 4] != marker:
            raise ValueError(f"scanline {scanline} of {num_scanlines} is missing")
        place += 4
        end = len(planes) + 4 * length
        while len(planes) < end:
            count = data[place]
            if count > 128:
                planes += data[place + 1 : place + 2] * (count - 128)
                place += 2
            else:
                planes += data[place + 1 : place + 1 + count]
                place += 1 + count
        if len(planes) > end or place > len(data):
            raise ValueError(f"scanline {scanline} of {num_scanlines} does not end where it should")
    channels = np.frombuffer(bytes(planes), np.uint8).reshape(num_scanlines, 4, length)
    return np.asarray(channels.swapaxes(1, 2).reshape(-1, 4))


def _expanded(items: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Decode the old run-length coding.

    An item (1, 1, 1, n) repeats the pixel before it n times; further ones that follow at once
    count 256 n, 65536 n and so on.
    """
    is_run = (items[:, :3] == 1).all(axis=1)
    index = np.arange(len(items))
    last_pixel = np.maximum.accumulate(np.where(is_run, -1, index))
    shift = 8 * np.maximum(index - last_pixel - 1, 0)
    counts = np.where(is_run, items[:, 3].astype(np.int64) << np.minimum(shift, 24), 1)
    counts[last_pixel < 0] = 0
    counts = np.minimum(counts, 2**31)
    if counts.sum() > 2**31:
        raise ValueError("runs that are longer than any image")
    return np.asarray(items[np.repeat(last_pixel, counts)])
