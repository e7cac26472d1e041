"""OpenEXR: layers, parts, windows and chromaticities."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.images.colour import to_rec_709
from envmap_inverse.images.limits import MAX_PIXELS, check_size, quiet
from envmap_inverse.images.picture import Picture, Reading
from envmap_inverse.system.plain_names import plain_name

__all__ = ["Exr"]

_LEAVES = {
    **dict.fromkeys(("r", "red"), "R"),
    **dict.fromkeys(("g", "green"), "G"),
    **dict.fromkeys(("b", "blue"), "B"),
    **dict.fromkeys(("a", "alpha"), "A"),
    "y": "Y",
    "x": "X",
}
"""Endings of channel names, in lower case."""

_NOT_GREY = {"RY", "BY", "X"}
"""Channels beside which Y is no grey picture: of colour differences, XYZ, positions, normals."""

OBLONG = 0.01
"""Deviation of a pixel's aspect from 1 that is worth a warning."""


class Exr:
    """OpenEXR files: linear, any primaries, alpha premultiplied. Written as float32."""

    endings = (".exr",)

    def read(self, path: Path, settings: Reading) -> Picture:
        """Read one layer, at the size of its display window."""
        with quiet(), plain_name(path) as name:
            parts = OpenEXR.File(name, header_only=True).parts
            _check_sizes(path, parts)
            layer = _choose(path, parts, settings.layer)
            decoded = OpenEXR.File(name, separate_channels=True).parts
        # The library prints a warning and drops a part that it cannot decode.
        if len(decoded) != len(parts):
            raise InputError(f"{path}: damaged: {len(decoded)} of {len(parts)} parts decode")
        header, channels = parts[layer.part].header, decoded[layer.part].channels
        _warn_of_oblong_pixels(path, float(header.get("pixelAspectRatio", 1)))
        data = _Window.of(header["dataWindow"])
        planes = {name: _plane(path, channels, name, data) for name in layer.channels.values()}
        image = np.stack([planes[layer.channels[c]] for c in layer.colours], axis=-1)
        picture = Picture(
            image=_converted(path, image, header.get("chromaticities")),
            alpha=planes.get(layer.channels.get("A", "")),
            notes=layer.notes,
        )
        return _on_display(path, picture, data, _Window.of(header["displayWindow"]))

    def encode(self, image: NDArray[np.float32]) -> bytes:
        """Encode as a file with the channels R, G and B."""
        header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
        stream = io.BytesIO()
        try:
            OpenEXR.File(header, {"RGB": image}).write(stream)
        except RuntimeError as error:  # raised only for lack of memory
            raise MemoryError(str(error)) from None
        return stream.getvalue()


@dataclass(frozen=True, kw_only=True)
class _Window:
    """Pixels from a corner (left, top)."""

    left: int
    top: int
    width: int
    height: int

    @classmethod
    def of(cls, corners: Any) -> _Window:
        (left, top), (right, bottom) = (map(int, corner) for corner in corners)
        return cls(left=left, top=top, width=right - left + 1, height=bottom - top + 1)

    def __str__(self) -> str:
        return f"{self.width} x {self.height} at ({self.left}, {self.top})"


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """Channels of one part that make a picture; "R", "G", "B" or "Y", and "A", to their names."""

    part: int
    name: str
    channels: dict[str, str]
    notes: tuple[str, ...] = ()

    @property
    def colours(self) -> str:
        return "RGB" if "R" in self.channels else "YYY"


def _warn_of_oblong_pixels(path: Path, aspect: float) -> None:
    if abs(aspect - 1) > OBLONG:
        warnings.warn(
            f"{path}: its pixels are {aspect:.4g} times as wide as high (pixelAspectRatio), but "
            "are taken for square; resample a picture first",
            stacklevel=2,
        )


def _check_sizes(path: Path, parts: Sequence[Any]) -> None:
    num_values = 0
    for part in parts:
        data, display = (_Window.of(part.header[key]) for key in ("dataWindow", "displayWindow"))
        for window in (data, display):
            check_size(path, window.width, window.height)
        num_values += data.width * data.height * len(part.header["channels"])
    if num_values > 4 * MAX_PIXELS:
        raise InputError(f"{path}: its {len(parts)} parts are too large to be read")


def _choose(path: Path, parts: Sequence[Any], wanted: str | None) -> _Layer:
    """The layer asked for, or else the unnamed one of the first part, or else the only one."""
    layers = [layer for number, part in enumerate(parts) for layer in _layers(number, part)]
    names = ", ".join(repr(layer.name) for layer in layers if layer.name)
    if wanted is not None:
        found = [layer for layer in layers if layer.name == wanted]
        if not found:
            raise InputError(f"{path}: has no layer {wanted!r} in colour; found {names or 'none'}")
        return found[0]
    if layers and layers[0].part == 0 and not _prefix(layers[0]):
        others = len(layers) > 1 and f"the first of {len(layers)} layers"
        return replace(layers[0], notes=(others,)) if others else layers[0]
    if len(layers) == 1:
        return replace(layers[0], notes=(f"layer {layers[0].name!r}",))
    if layers:
        raise InputError(f"{path}: has several layers: {names}; choose one with --layer")
    channels = [channel.name for part in parts for channel in part.header["channels"]]
    raise InputError(
        f"{path}: has no R, G and B channels, nor Y alone; found {', '.join(channels)}"
    )


def _layers(number: int, part: Any) -> list[_Layer]:
    """The layers of a part that have a colour or grey channel; the unnamed one first."""
    if part.header.get("type") in {OpenEXR.deepscanline, OpenEXR.deeptile}:
        return []
    groups: dict[str, dict[str, str]] = {}
    for channel in part.header["channels"]:
        prefix, _, leaf = channel.name.rpartition(".")
        groups.setdefault(prefix, {})[_LEAVES.get(leaf.lower(), leaf)] = channel.name
    part_name = part.header.get("name", "")
    found = []
    for prefix in sorted(groups):
        names = groups[prefix]
        if {"R", "G", "B"} <= names.keys() or ("Y" in names and not _NOT_GREY & names.keys()):
            kept = {key: names[key] for key in "RGBA" if key in names}
            if "R" not in names or len(kept.keys() & set("RGB")) < 3:
                kept = {key: names[key] for key in "YA" if key in names}
            found.append(_Layer(part=number, name=prefix or part_name, channels=kept))
    return found


def _prefix(layer: _Layer) -> str:
    return next(iter(layer.channels.values())).rpartition(".")[0]


def _plane(path: Path, channels: Any, name: str, window: _Window) -> NDArray[np.float32]:
    pixels = channels[name].pixels
    if pixels.shape != (window.height, window.width):
        raise InputError(
            f"{path}: decoded {pixels.shape[1::-1]} pixels of {name}, but its header says "
            f"{(window.width, window.height)}"
        )
    return np.asarray(pixels, np.float32)


def _converted(path: Path, image: NDArray[np.float32], chromaticities: Any) -> NDArray[np.float32]:
    """Convert to linear Rec. 709 RGB; as in Mitsuba's `Bitmap`, white keeps its colour."""
    if chromaticities is None:
        return image
    try:
        matrix = to_rec_709(np.array(chromaticities, np.float64).ravel())
    except np.linalg.LinAlgError:
        matrix = np.full((3, 3), np.nan)
    if not np.isfinite(matrix).all():
        raise InputError(f"{path}: its chromaticities {chromaticities} span no colours")
    if (matrix == np.eye(3)).all():
        return image
    return np.asarray(image @ matrix.T.astype(np.float32))


def _on_display(path: Path, picture: Picture, data: _Window, display: _Window) -> Picture:
    """Fit a picture to the display window: drop pixels outside, mask pixels without data."""
    if data == display:
        return picture
    left, top = max(data.left, display.left), max(data.top, display.top)
    right = min(data.left + data.width, display.left + display.width)
    bottom = min(data.top + data.height, display.top + display.height)
    if left >= right or top >= bottom:
        raise InputError(
            f"{path}: its data window {data} lies outside its display window {display}"
        )
    source = np.s_[top - data.top : bottom - data.top, left - data.left : right - data.left]
    target = np.s_[
        top - display.top : bottom - display.top, left - display.left : right - display.left
    ]
    image = np.zeros((display.height, display.width, 3), np.float32)
    image[target] = picture.image[source]
    alpha = np.zeros(image.shape[:2], np.float32)
    alpha[target] = 1 if picture.alpha is None else picture.alpha[source]
    is_full = picture.alpha is None and alpha.all()
    note = f"data window {data} in a display window {display}"
    return replace(picture, image=image, alpha=None if is_full else alpha).noting(note)
