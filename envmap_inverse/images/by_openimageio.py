"""Read files of 8, 16 or 32 bits with OpenImageIO."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.images.by_pillow import note_of
from envmap_inverse.images.cicp import encoding_of_codes
from envmap_inverse.images.colour import LINEAR, SRGB, Encoding
from envmap_inverse.images.icc import read_profile
from envmap_inverse.images.limits import check_size, quiet
from envmap_inverse.images.picture import CameraSettings, Picture, Reading
from envmap_inverse.system.plain_names import plain_name

__all__ = ["read_by_openimageio"]

_KINDS = {
    **dict.fromkeys(("half", "float", "double"), "float"),
    **dict.fromkeys(("uint8",), "uint8"),
    **dict.fromkeys(("int8", "uint16", "int16", "uint32", "int32"), "uint16"),
}
"""Type to read each kind of value as; integers keep their share of the full range."""

_EXIF = {
    "exposure_time": "ExposureTime",
    "f_number": "FNumber",
    "iso": "Exif:PhotographicSensitivity",
    "focal_length": "Exif:FocalLength",
    "focal_length_35mm": "Exif:FocalLengthIn35mmFilm",
}


def read_by_openimageio(
    path: Path,
    settings: Reading,
    *,
    without_profile: Encoding | None = None,
    is_turned: bool = False,
) -> Picture:
    """Read a file with OpenImageIO.

    Args:
        path: the file.
        settings: how to read it.
        without_profile: encoding of integers that have neither a profile nor code points; None
            for sRGB.
        is_turned: whether the decoder has turned the picture upright.
    """
    with quiet():
        values, spec, notes = _decoded(path)
    encoding, more = _encoding(spec, values, without_profile)
    alpha_at = spec.alpha_channel
    colour = values[..., [c for c in range(spec.nchannels) if c != alpha_at][: _num_colours(spec)]]
    bit_depth = 8 * values.itemsize if values.dtype.kind == "u" else None
    white, black = encoding.levels(2**bit_depth - 1, settings.gamma) if bit_depth else (None, None)
    turn = 1 if is_turned else spec.get_int_attribute("Orientation", 1)
    return Picture(
        image=encoding.decode(colour, settings.gamma if bit_depth else None),
        alpha=None if alpha_at < 0 else _share(values[..., alpha_at]),
        orientation=turn if 1 <= turn <= 8 else 1,
        white=white,
        black=black,
        bit_depth=bit_depth,
        stored=colour if bit_depth else None,
        encoding=encoding if bit_depth else None,
        camera=CameraSettings(
            **{name: spec.get_float_attribute(tag, 0.0) or None for name, tag in _EXIF.items()}
        ),
        notes=(*note_of(encoding), *more, *notes),
    )


def _decoded(path: Path) -> tuple[NDArray[Any], Any, tuple[str, ...]]:
    """Values of shape (h, w, channels), OpenImageIO's specification, and notes."""
    import OpenImageIO  # noqa: PLC0415 - takes a tenth of a second

    straight = OpenImageIO.ImageSpec()
    straight.attribute("oiio:UnassociatedAlpha", 1)  # alpha is not multiplied in
    with plain_name(path) as name:
        file = OpenImageIO.ImageInput.open(name, straight)
    if file is None:
        raise ValueError(OpenImageIO.geterror())
    try:
        spec = file.spec()
        check_size(path, spec.width, spec.height)
        kind = str(spec.format)
        if kind not in _KINDS or spec.nchannels > 8:
            raise InputError(
                f"{path}: has {spec.nchannels} channels of {kind}, which is not a picture"
            )
        values = file.read_image(0, 0, 0, spec.nchannels, _KINDS[kind])
        if values is None:
            raise ValueError(file.geterror())
        has_more = file.seek_subimage(1, 0)
        file.geterror()  # fetched, or the library prints it
    finally:
        file.close()
    return values, spec, ("the first of its images",) if has_more else ()


def _num_colours(spec: Any) -> int:
    """3, or 1 for a grey picture."""
    return 3 if spec.nchannels - (spec.alpha_channel >= 0) >= 3 else 1


def _encoding(
    spec: Any, values: NDArray[Any], without_profile: Encoding | None
) -> tuple[Encoding, tuple[str, ...]]:
    notes: tuple[str, ...] = ()
    profile = spec.getattribute("ICCProfile")
    codes = spec.getattribute("CICP")
    if codes is not None:
        primaries, transfer = (int(code) for code in codes[:2])
        return encoding_of_codes(primaries if _num_colours(spec) == 3 else 1, transfer), notes
    default = SRGB if without_profile is None else without_profile
    default = default if values.dtype.kind == "u" else LINEAR
    if profile is None:
        return default, notes
    try:
        return read_profile(bytes(profile)), notes
    except InputError as error:
        return default, (f"{error}; taken for {default.name}",)


def _share(values: NDArray[Any]) -> NDArray[np.float32]:
    if values.dtype.kind != "u":
        return np.asarray(values, np.float32)
    return values.astype(np.float32) / np.float32(np.iinfo(values.dtype).max)
