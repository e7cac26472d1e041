"""Read and write images, and tone-map them for display."""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import imageio.v3 as iio
import numpy as np
import OpenEXR
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from envmap_inverse import backend
from envmap_inverse.backend import mi
from envmap_inverse.errors import InputError
from envmap_inverse.system.writing import write_bytes

__all__ = [
    "READABLE",
    "clipping_levels",
    "display_exposure",
    "encode_jpeg",
    "encode_png",
    "read_image",
    "read_mask",
    "shrink",
    "tonemap",
    "write_bytes",
    "write_image",
]

MAX_PIXELS = 2**27
"""Larger images (11585 x 11585) are refused before they are decoded; 1.5 GiB as float32 RGB."""

_8BIT = (".png", ".jpg", ".jpeg")
_COLOUR_MODES = {"RGB", "RGBA", "RGBX", "P", "PA", "CMYK", "YCbCr", "LAB", "HSV"}

_Reader = Callable[[Path], NDArray[Any]]
Uint8Image = NDArray[np.uint8]


def read_image(path: str | Path, *, gamma: float | None = None) -> NDArray[np.float32]:
    """Read an image as linear RGB.

    EXR, HDR and NPY (floats of NumPy, no pickles) are linear as they are; 8-bit PNG and JPEG are
    linearized.

    Args:
        path: a file whose name ends in .exr, .hdr, .npy, .png, .jpg or .jpeg.
        gamma: exponent by which 8-bit values are linearized; None for sRGB (IEC 61966-2-1).

    Returns:
        Shape (h, w, 3), float32. Alpha and other channels are dropped.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if it is no regular file, empty, not such an image, truncated, too large, or has
            no RGB channels.

    Example:
        >>> ei.read_image("map.exr").shape
        (8, 16, 3)
    """
    readers: dict[str, _Reader] = {".exr": _read_exr, ".hdr": _read_hdr, ".npy": _read_npy}
    readers |= dict.fromkeys(_8BIT, lambda path: _linear(_read_8bit(path), gamma))
    return _read(Path(path), readers)


def read_mask(path: str | Path) -> NDArray[np.float32]:
    """Read an image as weights: its grey values, of an 8-bit image from 0 to 1, not linearized.

    Returns:
        Shape (h, w), float32.

    Raises:
        FileNotFoundError, InputError: as `read_image`.
    """
    readers: dict[str, _Reader] = {".exr": _read_exr, ".hdr": _read_hdr, ".npy": _read_npy}
    readers |= dict.fromkeys(
        _8BIT, lambda path: _read_8bit(path, "L")[:, :, None] / np.float32(255)
    )
    return np.asarray(_read(Path(path), readers).mean(axis=2))


def clipping_levels(
    path: str | Path, *, gamma: float | None = None
) -> tuple[float | None, float | None]:
    """The linear values from which an image of `read_image` is clipped at the top and the bottom.

    Those of the 8-bit values 254 and 1, as compression moves values by one; None for others.
    """
    if Path(path).suffix.lower() not in _8BIT:
        return None, None
    white, black = (float(level) for level in _linear(np.array([254, 1], np.uint8), gamma))
    return white, black


def write_image(path: str | Path, image: ArrayLike) -> None:
    """Write linear RGB to EXR or NPY (float32), HDR, or PNG or JPEG (tone-mapped at exposure 1).

    An earlier file of that name is replaced when the new one is complete.

    Args:
        path: its suffix names the format: .exr, .hdr, .npy, .png, .jpg or .jpeg.
        image: shape (h, w, 3).

    Raises:
        InputError: if the suffix is another or the shape is, or an HDR file cannot hold a value.
        OSError: if the file cannot be written.

    Example:
        >>> ei.write_image("out.exr", np.ones((4, 8, 3)))
        >>> ei.read_image("out.exr").shape
        (4, 8, 3)
    """
    path = Path(path)
    array = np.ascontiguousarray(image, np.float32)
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise InputError(f"{path}: an image has shape (h, w, 3); found {array.shape}")
    encoders = {
        ".exr": _encode_exr,
        ".hdr": _encode_hdr,
        ".png": _encode_tonemapped,
        ".npy": _encode_npy,
        ".jpg": _encode_tonemapped_jpeg,
        ".jpeg": _encode_tonemapped_jpeg,
    }
    if path.suffix.lower() not in encoders:
        raise InputError(f"{path}: unknown kind of image; use one of {', '.join(encoders)}")
    write_bytes(path, encoders[path.suffix.lower()](array))


def encode_png(image: Uint8Image, *, compression: int = 6) -> bytes:
    """An 8-bit image as the bytes of a PNG file."""
    data = iio.imwrite(
        "<bytes>", image, plugin="pillow", extension=".png", compress_level=compression
    )
    return bytes(data)


def encode_jpeg(image: Uint8Image, *, quality: int = 92) -> bytes:
    """An 8-bit image as the bytes of a JPEG file: a tenth of the time of a PNG."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality, subsampling=0)
    return stream.getvalue()


def tonemap(image: ArrayLike, exposure: float = 1.0) -> Uint8Image:
    """Linear RGB for display: times exposure, clipped to [0, 1], sRGB-encoded, 8 bits.

    The encoding is that of IEC 61966-2-1. What is not finite is shown as white.

    Args:
        image: shape (..., 3).
        exposure: factor before clipping.

    Returns:
        The same shape, uint8.

    Example:
        >>> ei.tonemap([[0.0, 0.5, 1.0], [2.0, 4.0, 8.0]])
        array([[  0, 188, 255],
               [255, 255, 255]], dtype=uint8)
    """
    top = 1 / exposure
    shown = np.clip(np.nan_to_num(np.asarray(image, np.float32), nan=np.inf), 0, top)
    scaled = shown * np.float32((len(_SRGB_TABLE) - 1) / top)
    return np.asarray(_SRGB_TABLE[(scaled + 0.5).astype(np.uint16)])


def shrink(image: NDArray[np.float32], max_pixels: int) -> NDArray[np.float32]:
    """An image of at most max_pixels, its pixels the means of boxes of the original's.

    Args:
        image: shape (h, w, 3).
        max_pixels: of the result, unless it is a pixel thin; an image that has no more is returned
            as it is.
    """
    height, width, _ = image.shape
    scale = (max_pixels / (height * width)) ** 0.5
    if scale >= 1:
        return image
    size = max(1, int(width * scale)), max(1, int(height * scale))
    channels = (Image.fromarray(channel) for channel in np.moveaxis(image, 2, 0).copy())
    shrunk = [np.asarray(channel.resize(size, Image.Resampling.BOX)) for channel in channels]
    return np.stack(shrunk, axis=2)


def display_exposure(image: ArrayLike) -> float:
    """The exposure that shows 95 % of an image's values at 0.8 or less; 1 for a black image."""
    bright = float(np.percentile(np.asarray(image), 95))
    return 0.8 / bright if bright > 0 else 1.0


def srgb_to_linear(values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Linear values of sRGB-encoded ones in [0, 1] (IEC 61966-2-1)."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """sRGB-encoded values of linear ones in [0, 1] (IEC 61966-2-1)."""
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)


_LINEAR_TABLE = srgb_to_linear(np.arange(256) / 255).astype(np.float32)
_SRGB_TABLE = (255 * linear_to_srgb(np.linspace(0, 1, 2**14)) + 0.5).astype(np.uint8)


def _read(path: Path, readers: Mapping[str, _Reader]) -> NDArray[np.float32]:
    """What the reader for the file's suffix makes of it; every failure names the file."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such image file")
    if not path.is_file():
        raise InputError(f"{path}: is a folder or a device; name an image file")
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path}: unknown kind of image; use one of {', '.join(readers)}")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty")
    try:
        return np.ascontiguousarray(reader(path), np.float32)
    except InputError:
        raise
    except PermissionError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except Exception as error:  # noqa: BLE001 - decoders raise whatever they like
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: cannot be decoded, damaged or not an image: {reason}") from None


def _read_exr(path: Path) -> NDArray[np.float32]:
    with _quiet():
        parts = OpenEXR.File(str(path), header_only=True).parts
        sizes = [_exr_size(part.header) for part in parts]
        num_planes = [len(part.header["channels"]) for part in parts]
        _check_size(path, *sizes[0])
        if sum(w * h * n for (w, h), n in zip(sizes, num_planes, strict=True)) > 4 * MAX_PIXELS:
            raise InputError(f"{path}: its {len(parts)} parts are too large to be read")
        names = [channel.name for channel in parts[0].header["channels"]]
        if not {"R", "G", "B"} <= set(names):
            raise InputError(f"{path}: has no R, G and B channels; found {', '.join(names)}")
        decoded = OpenEXR.File(str(path), separate_channels=True)
    # The library prints a warning and drops a part that it cannot decode.
    if len(decoded.parts) != len(parts):
        raise InputError(f"{path}: damaged: {len(decoded.parts)} of {len(parts)} parts decode")
    channels = decoded.channels()
    image = np.stack([channels[name].pixels for name in "RGB"], axis=-1)
    if image.shape[1::-1] != sizes[0]:
        raise InputError(
            f"{path}: decoded {image.shape[1::-1]} pixels, but its header says {sizes[0]}"
        )
    return image.astype(np.float32)


def _exr_size(header: dict[str, Any]) -> tuple[int, int]:
    """(width, height) of a part, by its data window."""
    (left, top), (right, bottom) = (map(int, corner) for corner in header["dataWindow"])
    return right - left + 1, bottom - top + 1


def _read_hdr(path: Path) -> NDArray[np.float32]:
    with path.open("rb") as file:
        match = re.search(rb"^[-+]Y (\d+) [-+]X (\d+)", file.read(2**16), re.MULTILINE)
    if match is None:
        raise InputError(f"{path}: not a Radiance HDR file: it has no resolution line")
    _check_size(path, int(match[2]), int(match[1]))
    backend.select_variant()
    bitmap = mi.Bitmap(str(path))
    float_rgb = bitmap.convert(mi.Bitmap.PixelFormat.RGB, mi.Struct.Type.Float32, False)
    return np.array(float_rgb)


def _read_npy(path: Path) -> NDArray[np.float32]:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.ndim != 3 or array.shape[2] not in {3, 4} or 0 in array.shape:
        raise InputError(f"{path}: must have shape (h, w, 3); found {array.shape}")
    if array.dtype.kind != "f":
        raise InputError(f"{path}: must hold floats, linear RGB; found {array.dtype}")
    _check_size(path, array.shape[1], array.shape[0])
    return np.array(array[..., :3], np.float32)


def _read_8bit(path: Path, mode: Literal["RGB", "L"] = "RGB") -> NDArray[np.uint8]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Pillow warns of images that decompress to gigabytes
        height, width, *_ = iio.improps(path, plugin="pillow").shape
        _check_size(path, width, height)
        found = iio.immeta(path, plugin="pillow")["mode"]
        if mode == "RGB" and found not in _COLOUR_MODES:
            raise InputError(f"{path}: has no RGB channels; its pixels are of kind {found}")
        return np.asarray(iio.imread(path, plugin="pillow", mode=mode), np.uint8)


def _linear(values: NDArray[np.uint8], gamma: float | None) -> NDArray[np.float32]:
    table = _LINEAR_TABLE if gamma is None else (np.arange(256) / 255) ** gamma
    return np.asarray(table[values], np.float32)


def _encode_exr(image: NDArray[np.float32]) -> bytes:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    stream = io.BytesIO()
    try:
        OpenEXR.File(header, {"RGB": image}).write(stream)
    except RuntimeError as error:  # memory is all that this can lack
        raise MemoryError(str(error)) from None
    return stream.getvalue()


def _encode_npy(image: NDArray[np.float32]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, image, allow_pickle=False)
    return stream.getvalue()


def _encode_tonemapped(image: NDArray[np.float32]) -> bytes:
    return encode_png(tonemap(image))


def _encode_tonemapped_jpeg(image: NDArray[np.float32]) -> bytes:
    return encode_jpeg(tonemap(image))


def _encode_hdr(image: NDArray[np.float32]) -> bytes:
    if not np.isfinite(image).all():
        raise InputError("HDR files hold no NaN or infinity; write EXR")
    backend.select_variant()
    stream = mi.MemoryStream()
    mi.Bitmap(image).write(stream, mi.Bitmap.FileFormat.RGBE)
    return bytes(stream.raw_buffer())


def _check_size(path: Path, width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise InputError(f"{path}: damaged: its header tells {width} x {height} pixels")
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{path}: {width} x {height} pixels are more than the {MAX_PIXELS} that are read"
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what a C library writes to stdout and stderr, or to Python's, off the terminal."""
    with (
        tempfile.TemporaryFile() as sink,
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        saved = [os.dup(1), os.dup(2)]
        try:
            for number in (1, 2):
                os.dup2(sink.fileno(), number)
            yield
        finally:
            for number, descriptor in enumerate(saved, start=1):
                os.dup2(descriptor, number)
                os.close(descriptor)


READABLE = (".exr", ".hdr", ".npy", *_8BIT)
"""Endings of the files that `read_image` reads."""
