"""Find places of which several pictures of a bracket show the light, each at its exposure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.images.response_fit import Samples

__all__ = ["sample_bracket"]

Image = NDArray[np.float32]

MAX_SIDE = 1024
"""Pixels across; larger pictures are averaged down."""

MAX_SHIFT = 20
"""Of these pixels, by which pictures may be shifted, besides differences of size."""

NEAR_MEDIAN = 4 / 255
LEAST_CORRELATION = 0.3

LOW, HIGH = 3.5 / 255, 248.5 / 255
"""Values that count lie between; compression and colour subsampling disturb those near clipping."""

WINDOW, NUM_LEVELS, FLAT_SHARE = 3, 40, 0.25
"""Side of the windows whose means are compared; levels of brightness, of which as many windows are
taken each; and the share of these that count as flat."""

MAX_VALUES, MAX_SAMPLES = 8000, 400
"""Samples times pictures, and samples."""

EDGE = WINDOW // 2


def sample_bracket(pictures: Sequence[Image]) -> Samples:
    """Compare pictures of one place where they are flat, after shifting them by whole pixels.

    Args:
        pictures: red, green, blue from 0 to 1 and a mask, which is 1 where pixels count; each of
            shape (h, w, 4), with sizes that differ little.

    Raises:
        InputError: if the pictures do not show the same place, or nothing of it unclipped twice.
    """
    stack = np.stack(_aligned([_reduced(picture) for picture in pictures]))
    means, counts, roughness = _windows(stack)
    usable = (counts.sum(axis=0) >= 2).any(axis=-1)
    usable[:EDGE] = usable[-EDGE:] = False
    usable[:, :EDGE] = usable[:, -EDGE:] = False
    places = np.flatnonzero(usable)
    if not places.size:
        raise InputError("no place is between black and white in two pictures")
    level = means.mean(axis=(0, 3)).ravel()
    places = places[np.argsort(level[places], kind="stable")]
    number = min(MAX_SAMPLES, MAX_VALUES // len(stack))
    picked = _flattest(places, roughness.ravel(), max(number // NUM_LEVELS, 1))
    values, counting = (
        array.reshape(len(stack), -1, 3)[:, picked].swapaxes(0, 1) for array in (means, counts)
    )
    is_shared = counting.sum(axis=1, keepdims=True) >= 2
    return Samples(values=values.astype(np.float64), counts=(counting & is_shared).astype(float))


def _reduced(picture: Image) -> Image:
    """Means of blocks, so that no side is too long; clipped where any pixel is."""
    size = -(-max(picture.shape[:2]) // MAX_SIDE)
    if size == 1:
        return picture
    rows, columns = (length // size for length in picture.shape[:2])
    blocks = picture[: rows * size, : columns * size].reshape(rows, size, columns, size, 4)
    means = blocks.mean(axis=(1, 3))
    means[blocks.min(axis=(1, 3)) < LOW] = 0  # masks, too
    colours = means[..., :3]
    colours[blocks[..., :3].max(axis=(1, 3)) > HIGH] = 1
    return np.asarray(means, np.float32)


def _aligned(pictures: Sequence[Image]) -> list[Image]:
    """The parts of the pictures that show the same; each is shifted to the next brighter one."""
    order = np.argsort([picture[..., :3].mean() for picture in pictures])
    shifts = np.zeros((len(pictures), 2), int)
    for darker, brighter in pairwise(order):
        shifts[brighter] = shifts[darker] + _shift(pictures[darker], pictures[brighter])
    starts = shifts - shifts.min(axis=0)
    sizes = np.array([picture.shape[:2] for picture in pictures])
    rows, columns = np.min(sizes - starts, axis=0)
    if min(rows, columns) <= WINDOW:
        raise InputError("they have no part in common")
    return [
        picture[row : row + rows, column : column + columns]
        for picture, (row, column) in zip(pictures, starts, strict=True)
    ]


def _shift(first: Image, second: Image) -> NDArray[np.intp]:
    """(rows, columns) by which what the first picture shows is further on in the second.

    Ward's bitmaps (2003), "Fast, robust image registration for compositing high dynamic range
    photographs from hand-held exposures", correlated at all shifts.
    """
    from scipy import fft  # noqa: PLC0415 - takes a while to load

    bitmaps = [_bitmap(picture) for picture in (first, second)]
    sizes = np.array([bitmap.shape for bitmap in bitmaps])
    padded = [fft.next_fast_len(int(length), real=True) for length in sizes.sum(axis=0)]
    transforms = [fft.rfft2(bitmap, padded) for bitmap in bitmaps]
    correlation = fft.irfft2(np.conj(transforms[0]) * transforms[1], padded)
    reach = MAX_SHIFT + np.abs(sizes[0] - sizes[1])
    rows, columns = (np.arange(-most, most + 1) for most in reach)
    near = correlation[np.ix_(rows, columns)]  # negative shifts stand at the end
    row, column = np.unravel_index(np.argmax(near), near.shape)
    norm = min(np.abs(bitmap).sum() for bitmap in bitmaps)
    if near[row, column] < LEAST_CORRELATION * norm:
        raise InputError("they do not show the same")
    return np.array([rows[row], columns[column]])


def _bitmap(picture: Image) -> Image:
    """1 where a picture is brighter than its median, -1 where darker, 0 near it or masked."""
    grey, counts = picture[..., :3].mean(axis=2), picture[..., 3] > 0
    off = grey - np.median(grey[counts] if counts.any() else grey)
    return np.where(counts & (np.abs(off) > NEAR_MEDIAN), np.sign(off), 0).astype(np.float32)


def _windows(pictures: NDArray[np.float32]) -> tuple[Image, NDArray[np.bool_], Image]:
    """Of the window round each pixel: means, whether they count, and how rough it is at most."""
    from scipy import ndimage  # noqa: PLC0415 - takes a while to load

    stack, masks = pictures[..., :3], pictures[..., 3:]
    size = (1, WINDOW, WINDOW, 1)
    means = ndimage.uniform_filter(stack, size)
    variances = np.maximum(ndimage.uniform_filter(stack**2, size) - means**2, 0)
    counts = ndimage.minimum_filter(stack, size) > LOW
    counts &= ndimage.maximum_filter(stack, size) < HIGH
    counts &= ndimage.minimum_filter(masks, size) > 1 - LOW
    return means, counts, np.where(counts, variances, 0).max(axis=(0, 3))


def _flattest(places: NDArray[np.intp], roughness: Any, number: int) -> NDArray[np.intp]:
    """So many of the flattest places of each level, spread over them."""
    picked = []
    for level in np.array_split(places, NUM_LEVELS):
        order = level[np.argsort(roughness[level], kind="stable")]
        flat = np.sort(order[: max(number, round(FLAT_SHARE * len(order)))])
        picked.append(flat[:: max(1, len(flat) // number)][:number])
    return np.concatenate(picked)
