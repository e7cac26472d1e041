"""Read images; every failure names the file."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError, MissingFileError, check_path, in_one_line
from envmap_inverse.images.formats import format_of
from envmap_inverse.images.jpeg import Jpeg
from envmap_inverse.images.picture import Picture, Reading

_LOGGER = logging.getLogger(__name__)

JPEG = b"\xff\xd8\xff"
"""How a JPEG begins. Whatever its name, it is read as one: others take a damaged one for whole."""

__all__ = ["clipping_levels", "read_image", "read_mask", "read_noted", "read_picture"]


def read_picture(
    path: str | Path, *, gamma: float | None = None, layer: str | None = None
) -> Picture:
    """Read an image as linear Rec. 709 RGB, with everything else that its file says.

    Args:
        path: a file of one of the formats in `envmap_inverse.images.formats`.
        gamma: exponent that linearizes integer values; None to do as the file says, or sRGB
            (IEC 61966-2-1) if it says nothing.
        layer: layer to read from an EXR file; None for the only one.

    Returns:
        The picture with rows and columns as stored; `.upright` turns it by its EXIF orientation.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if it is not a regular file, is empty, truncated, too large or not such an
            image, has no colour or grey channels, or has several layers and none is chosen.
    """
    path = check_path(path)
    if not path.exists():
        raise MissingFileError(f"{path}: no such image file")
    if not path.is_file():
        raise InputError(f"{path}: is a folder or a device; name an image file")
    kind = format_of(path)
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty")
    try:
        with path.open("rb") as file:
            kind = Jpeg() if file.read(len(JPEG)) == JPEG else kind
        picture = kind.read(path, Reading(gamma=gamma, layer=layer))
    except InputError as error:
        named = str(error).startswith(f"{path}: ")
        raise error if named else InputError(f"{path}: {error}") from None
    except PermissionError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except Exception as error:  # noqa: BLE001 - decoders raise whatever they like
        reason = in_one_line(error)
        raise InputError(f"{path}: cannot be decoded, damaged or not an image: {reason}") from None
    for note in picture.notes:
        _LOGGER.info("%s: %s", path, note)
    return picture


def read_image(
    path: str | Path, *, gamma: float | None = None, layer: str | None = None
) -> NDArray[np.float32]:
    """Read an image as linear RGB, upright.

    Args:
        path: see `read_picture`.
        gamma: see `read_picture`.
        layer: see `read_picture`.

    Returns:
        Shape (h, w, 3), float32. Grey becomes three equal channels. Alpha is dropped;
        `read_picture` keeps it.

    Raises:
        FileNotFoundError, InputError: as `read_picture`.

    Example:
        >>> ei.read_image("map.exr").shape
        (8, 16, 3)
    """
    return np.ascontiguousarray(read_picture(path, gamma=gamma, layer=layer).upright.image)


def read_noted(path: str | Path) -> NDArray[np.float32]:
    """Read as `read_image`, and warn of all that is done to the values.

    Other readers, Mitsuba's among them, may leave out the exposure or the window of a file.

    Raises:
        FileNotFoundError, InputError: as `read_picture`.
    """
    picture = read_picture(path).upright
    if picture.notes:
        warnings.warn(f"{path}: {'; '.join(picture.notes)}", stacklevel=2)
    return np.ascontiguousarray(picture.image)


def read_mask(path: str | Path) -> NDArray[np.float32]:
    """Read an image's grey values as weights, not linearized; integers are scaled to 0 to 1.

    Returns:
        Shape (h, w), float32.

    Raises:
        FileNotFoundError, InputError: as `read_image`.
    """
    picture = read_picture(path, gamma=1.0).upright
    return np.asarray(picture.image.mean(axis=2))


def clipping_levels(
    path: str | Path, *, gamma: float | None = None
) -> tuple[float | None, float | None]:
    """The linear values at which an image read by `read_image` is clipped, at the top and bottom.

    For integers they belong to the second highest and the second lowest value, as compression moves
    values by one; for other files they are None.
    """
    picture = read_picture(path, gamma=gamma)
    return picture.white, picture.black
