"""Errors of the integers that a picture's file stores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.images import Picture
from envmap_inverse.system.arrays import as_floats, like

__all__ = ["NEAR_WHITE", "Rounding", "beside"]

JPEG_VARIANCE, SUBSAMPLED = 4.0, 1.7
"""Variance of JPEG's errors, in steps of 8 bits, per step by which the luminance of slow waves is
divided; and how much larger it is if colours are subsampled. On 8-bit renderings of the bundled
bunny the standard deviation is 0.5 to 1.5 times this."""

SLOW_STEP = 16.0
"""That step at quality 50, in annex K.1 of ITU-T T.81."""

BLOCK, NEAR_WHITE = 8, 0.75
"""Side in pixels of JPEG's blocks, and the share of white to which it lowers clipped values."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Rounding:
    """Variance of a picture's linear values, as its file stores integers.

    Attributes:
        levels: linear values of the stored ones, rising, shape (n,).
        deviations: standard deviation at each, shape (n,).
    """

    levels: NDArray[np.float32]
    deviations: NDArray[np.float32]

    @classmethod
    def of(cls, picture: Picture | None) -> Rounding | None:
        """That of a picture; None for floating-point values, and for arrays without a file.

        Integers are off by half a step at most, evenly; JPEG's errors depend on its quality.
        """
        if picture is None or picture.bit_depth is None or picture.encoding is None:
            return None
        stored = np.linspace(0, 1, 2 ** min(picture.bit_depth, 12))
        levels = np.mean([curve(stored) for curve in picture.encoding.curves], axis=0)
        step_of_file = 1 / (2**picture.bit_depth - 1)
        steps = np.gradient(levels, stored) * step_of_file
        variance = 1 / 12 + _jpeg_variance(picture)
        return cls(
            levels=np.maximum.accumulate(levels).astype(np.float32),
            deviations=(np.abs(steps) * np.sqrt(variance)).astype(np.float32),
        )

    def variance(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Variance of linear values, in their shape."""
        curve = like(self.levels, values), like(self.deviations, values)
        found = np.interp(values.ravel(), *curve).reshape(values.shape)
        return as_floats(found**2)


def _jpeg_variance(picture: Picture) -> float:
    """Variance of JPEG's errors in steps of 8 bits."""
    quality = picture.jpeg_quality
    if quality is None:
        return 0.0
    scale = 2 - quality / 50 if quality >= 50 else 50 / quality
    is_subsampled = picture.subsampling not in {None, "4:4:4"}
    return JPEG_VARIANCE * SLOW_STEP * scale * (SUBSAMPLED if is_subsampled else 1)


def beside(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Values of pixels that lie within a block of compression of one with a flag, (h, w, 3)."""
    from scipy import ndimage  # noqa: PLC0415 - takes a while to load

    near = ndimage.maximum_filter(flags.any(axis=2), 2 * BLOCK + 1, mode="constant")
    return np.broadcast_to(near[:, :, None], flags.shape)
