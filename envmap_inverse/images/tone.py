"""Show linear RGB on a display, and make pictures smaller."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from envmap_inverse.images.colour import linear_to_srgb

__all__ = ["Uint8Image", "display_exposure", "shrink", "tonemap"]

Uint8Image = NDArray[np.uint8]

_SRGB_TABLE = (255 * linear_to_srgb(np.linspace(0, 1, 2**14)) + 0.5).astype(np.uint8)


def tonemap(image: ArrayLike, exposure: float = 1.0) -> Uint8Image:
    """Convert linear RGB for display: times exposure, clipped to [0, 1], sRGB-encoded, 8 bits.

    The encoding is IEC 61966-2-1. Values that are not finite become white.

    Args:
        image: shape (..., 3).
        exposure: factor before clipping.

    Returns:
        The image's shape, uint8.

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
    """Shrink an image to at most max_pixels, each the mean of a box of pixels.

    Args:
        image: shape (h, w, 3).
        max_pixels: most pixels of the result, unless it is a pixel thin; an image that has no
            more is returned as it is.
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
