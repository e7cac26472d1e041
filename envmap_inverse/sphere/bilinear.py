"""Bilinear interpolation between the pixels of an image. NumPy only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "LookUp", "bilinear", "taps"]

Array = NDArray[np.float64]
LookUp = Callable[[Array], Array]


def bilinear(image: NDArray[Any], x: Array, y: Array) -> Array:
    """Interpolate an image.

    Args:
        image: shape (h, w, C), at least 2 x 2 pixels.
        x: columns, from 0 to w - 1, shape (...); the centre of the first pixel is 0.
        y: rows, from 0 to h - 1, shape (...).

    Returns:
        Shape (..., C).
    """
    left, top, right_share, low_share = _corner(image.shape[:2], x, y)
    right_share, low_share = right_share[..., None], low_share[..., None]
    upper = (1 - right_share) * image[top, left] + right_share * image[top, left + 1]
    lower = (1 - right_share) * image[top + 1, left] + right_share * image[top + 1, left + 1]
    return np.asarray((1 - low_share) * upper + low_share * lower)


def taps(shape: tuple[int, int], x: Array, y: Array) -> tuple[NDArray[np.intp], Array]:
    """The four pixels that `bilinear` interpolates between, and their shares.

    Args:
        shape: (rows, columns) of the image.
        x: columns, shape (...).
        y: rows, shape (...).

    Returns:
        (index, share), each of shape (4, ...): row * columns + column, and shares that sum to 1.
    """
    left, top, right_share, low_share = _corner(shape, x, y)
    first = top * shape[1] + left
    index = np.stack([first, first + 1, first + shape[1], first + shape[1] + 1])
    across, down = (1 - right_share, right_share), (1 - low_share, low_share)
    return index, np.stack([vertical * horizontal for vertical in down for horizontal in across])


def _corner(
    shape: tuple[int, int], x: Array, y: Array
) -> tuple[NDArray[np.intp], NDArray[np.intp], Array, Array]:
    """Column and row of the upper left of the four pixels, and how far past it a position lies."""
    left = np.clip(np.floor(x), 0, shape[1] - 2).astype(np.intp)
    top = np.clip(np.floor(y), 0, shape[0] - 2).astype(np.intp)
    return left, top, x - left, y - top
