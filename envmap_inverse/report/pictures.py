"""Encode pictures as text for a page: radiance for its scripts, PNG and JPEG without scripts."""

from __future__ import annotations

import base64
import math
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.images import Uint8Image, encode_jpeg, encode_png, shrink
from envmap_inverse.images.false_colours import heat, heat_range

__all__ = ["Heat", "Raster", "Sheet", "difference", "jpeg", "marked", "png", "residual"]

MAX_PIXELS = 2**19
"""Largest picture in the page, which takes 2 MB or less; larger ones are shrunk."""
DIFFERENCE_GAIN = 4
SIGMAS = 6
"""Standard deviations from which a residual has its full colour."""
DIM, MARK = 0.6, (255, 60, 220)
"""Brightness of a picture under marks, and their colour."""
LARGEST_HALF = 65504.0
STEP_BIAS = 128
"""Added to what is packed, so that small steps have high bytes of 0."""
UNCOUNTED = 64
HATCH, HATCH_EVERY = (120, 120, 120), 6
"""Colour of the hatching, and pixels between its lines."""


@dataclass(frozen=True, kw_only=True)
class Raster:
    """Linear RGB as half floats, compressed without loss.

    Attributes:
        width: width in pixels.
        height: height in pixels.
        scale: factor for the half floats.
        base64: of what `_packed` returns.
    """

    width: int
    height: int
    scale: float
    base64: str

    @classmethod
    def of(cls, image: ArrayLike, max_pixels: int = MAX_PIXELS) -> Raster:
        """Args: image: shape (h, w, 3). max_pixels: shrink it if it has more."""
        pixels = shrink(np.asarray(image, np.float32), max_pixels)
        top = float(np.max(np.abs(pixels), where=np.isfinite(pixels), initial=0))
        scale = max(1.0, top / LARGEST_HALF)
        halves = (pixels / np.float32(scale)).astype("<f2")
        height, width, _ = pixels.shape
        return cls(width=width, height=height, scale=scale, base64=_text(_packed(halves)))


@dataclass(frozen=True, kw_only=True)
class Heat:
    """A quantity of a map in false colours on a logarithmic scale.

    Attributes:
        png: data URI.
        low: value of the darkest colour, which smaller values share.
        high: value of the brightest colour.
    """

    png: str
    low: float
    high: float

    @classmethod
    def of(cls, values: ArrayLike) -> Heat | None:
        """Args: values: shape (H, W, 3), 0 or more. None if nothing is above 0."""
        mean = shrink(np.asarray(values, np.float32), MAX_PIXELS).mean(axis=2)
        ends = heat_range(mean)
        return None if ends is None else cls(png=png(heat(mean)), low=ends[0], high=ends[1])


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Pictures of the same size in one JPEG, row by row.

    Attributes:
        jpeg: data URI.
        count: number of pictures.
        columns: pictures in a row.
        width: width of a picture in pixels.
        height: height of a picture in pixels.
    """

    jpeg: str
    count: int
    columns: int
    width: int
    height: int

    @classmethod
    def of(cls, pictures: Uint8Image) -> Sheet:
        """Args: pictures: shape (n, h, w, 3)."""
        count, height, width, _ = pictures.shape
        columns = math.ceil(math.sqrt(count * height / width))
        rows = math.ceil(count / columns)
        cells = np.zeros((rows * columns, height, width, 3), np.uint8)
        cells[:count] = pictures
        grid = cells.reshape(rows, columns, height, width, 3).swapaxes(1, 2)
        sheet = jpeg(grid.reshape(rows * height, columns * width, 3), quality=80)
        return cls(jpeg=sheet, count=count, columns=columns, width=width, height=height)


def jpeg(image: Uint8Image, *, quality: int = 82) -> str:
    """An 8-bit image as the data URI of a JPEG; for a noisy one a tenth of the PNG's size."""
    return f"data:image/jpeg;base64,{_text(encode_jpeg(image, quality=quality))}"


def png(image: Uint8Image) -> str:
    """An 8-bit image as the data URI of a PNG."""
    return f"data:image/png;base64,{_text(encode_png(image))}"


def difference(
    image: ArrayLike,
    reference: ArrayLike,
    exposure: float,
    white: tuple[float, float, float] | None = None,
    counts: NDArray[np.floating] | None = None,
) -> Uint8Image:
    """The mean over RGB of image - reference: orange where it is too bright, blue where too dark.

    A clipped value is a bound, so that what is brighter there is hatched. What does not count is
    grey.

    Args:
        image: shape (h, w, 3).
        reference: of the same shape.
        exposure: factor on the difference, besides DIFFERENCE_GAIN.
        white: values of the reference from which its red, green and blue are clipped.
        counts: 1 where pixels count and 0 where not, shape (h, w, 3); None if all do.
    """
    signed = (np.asarray(image) - np.asarray(reference)).mean(axis=2)
    colours = _signed(signed * exposure * DIFFERENCE_GAIN)
    if counts is not None:
        colours = np.where(counts < 0.5, np.uint8(UNCOUNTED), colours)
    if white is None:
        return colours
    rows, columns = np.indices(signed.shape)
    hatching = np.where(((rows + columns) % HATCH_EVERY < 1)[..., None], HATCH, 0)
    is_bound = (np.asarray(reference) >= white).any(axis=2) & (signed > 0)
    return np.where(is_bound[..., None], hatching, colours).astype(np.uint8)


def residual(values: NDArray[np.float32]) -> Uint8Image:
    """Residuals (h, w, 3) over their standard deviation, in the colours of `difference`.

    The largest of the channels counts, fully coloured from `SIGMAS` on.
    """
    small = -shrink(values, MAX_PIXELS)
    largest = np.take_along_axis(small, np.argmax(np.abs(small), axis=2)[..., None], axis=2)
    return _signed(largest[:, :, 0] / SIGMAS)


def marked(image: Uint8Image, mask: NDArray[np.bool_]) -> Uint8Image:
    """An image (h, w, 3), grey and dim, but magenta where a mask (H, W) of its aspect is set."""
    rows, columns = (
        np.arange(size) * of_mask // size
        for size, of_mask in zip(image.shape[:2], mask.shape, strict=True)
    )
    grey = np.repeat(image.mean(axis=2, keepdims=True) * DIM, 3, axis=2)
    is_marked = mask[rows[:, None], columns][:, :, None]
    return np.where(is_marked, MARK, grey).astype(np.uint8)


def _signed(signed: NDArray[np.floating]) -> Uint8Image:
    """Numbers from -1 to 1 as blue and orange, 0 as black."""
    strength = np.clip(np.nan_to_num(np.abs(signed), nan=1), 0, 1)[..., None]
    colour: NDArray[np.int_] = np.where(signed[..., None] > 0, [255, 140, 40], [50, 150, 255])
    return np.asarray(strength * colour, np.uint8)


def _packed(halves: NDArray[np.float16]) -> bytes:
    """Half floats (h, w, 3) in the zlib format; rasters.js has the inverse.

    Of the bits of each, as a number, those of its left neighbour are subtracted, then from red and
    blue what is left of green, as noise is mostly grey, and `STEP_BIAS` is added; then all low
    bytes come first, and of these all of red. That takes 60 % off the size of noisy renderings.
    """
    bits = halves.astype("<f2").view("<u2")
    steps = bits.copy()
    steps[:, 1:] -= bits[:, :-1]
    steps[..., ::2] -= steps[..., 1:2]
    steps += STEP_BIAS
    planes = steps[..., None].view(np.uint8).transpose(3, 2, 0, 1)
    return zlib.compress(planes.tobytes(), 6)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
