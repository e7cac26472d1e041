"""Read 8-bit pictures of cameras, phones and the web with Pillow."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from envmap_inverse.errors import InputError
from envmap_inverse.images.cicp import encoding_of_codes, find_nclx
from envmap_inverse.images.colour import ADOBE_RGB, LINEAR, SRGB, Encoding
from envmap_inverse.images.exif import is_adobe_rgb, orientation_of, settings_of
from envmap_inverse.images.icc import read_profile
from envmap_inverse.images.limits import check_size
from envmap_inverse.images.picture import Picture, Reading

__all__ = ["note_of", "num_frames", "read_by_pillow", "warn_of_frames"]

_GREYS = {"1", "L", "LA"}
_NCLX_BYTES = 2**16


def read_by_pillow(path: Path, settings: Reading) -> Picture:
    """Read a file with Pillow and linearize it by its colour profile."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Pillow warns of images that decompress to gigabytes
        with Image.open(path) as file:
            check_size(path, *file.size)
            frames = num_frames(file)
            exif = file.getexif()
            picture, encoding, notes = _decoded(file)
            values, alpha = _values(picture)
    warn_of_frames(path, frames)
    if encoding is None:
        encoding = _encoding_without_profile(path, exif)
    white, black = encoding.levels(255, settings.gamma)
    return Picture(
        image=encoding.decode(values, settings.gamma),
        alpha=alpha,
        orientation=orientation_of(exif),
        white=white,
        black=black,
        bit_depth=8,
        camera=settings_of(exif),
        stored=values,
        encoding=encoding,
        notes=(*note_of(encoding), *notes),
    )


def num_frames(file: Image.Image) -> int:
    """Number of frames of an animation; the further pictures of a phone's JPEG are none."""
    return 1 if file.format == "MPO" else getattr(file, "n_frames", 1)


def warn_of_frames(path: Path, frames: int) -> None:
    """Warn if only one of several frames is used."""
    if frames > 1:
        warnings.warn(
            f"{path}: is an animation of {frames} frames; the first is used", stacklevel=2
        )


def note_of(encoding: Encoding) -> tuple[str, ...]:
    """A note about an encoding; none if it is sRGB or linear."""
    is_srgb = encoding.matrix is None and set(encoding.curves) == set(SRGB.curves)
    return () if is_srgb or encoding is LINEAR else (f"colours converted from {encoding.name!r}",)


def _decoded(file: Image.Image) -> tuple[Image.Image, Encoding | None, tuple[str, ...]]:
    """Decode; also returns the encoding of the embedded profile, None without one, and notes."""
    profile = file.info.get("icc_profile")
    if not profile:
        return file, None, ()
    try:
        return file, read_profile(profile), ()
    except InputError as error:
        reason = str(error)
    try:  # a table profile, e.g. of CMYK: to 8-bit sRGB
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = "L" if file.mode in _GREYS else "RGB"
        target = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(file, source, target, outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return file, None, (f"{reason}; taken for sRGB",)
    assert converted is not None
    return converted, SRGB, ("colours converted by its profile's tables",)


def _values(file: Image.Image) -> tuple[NDArray[np.uint8], NDArray[np.float32] | None]:
    """Values of shape (h, w, 1 or 3), and alpha."""
    is_grey = file.mode in _GREYS
    if file.has_transparency_data:
        values = np.asarray(file.convert("LA" if is_grey else "RGBA"))
        return values[..., :-1], np.float32(1 / 255) * values[..., -1].astype(np.float32)
    if is_grey:
        return np.asarray(file.convert("L"))[:, :, None], None
    return np.asarray(file.convert("RGB")), None


def _encoding_without_profile(path: Path, exif: Image.Exif) -> Encoding:
    with path.open("rb") as file:
        codes = find_nclx(file.read(_NCLX_BYTES))
    if codes is not None:
        return encoding_of_codes(*codes)
    return ADOBE_RGB if is_adobe_rgb(exif) else SRGB
