"""Fill in what pictures do not tell: texels that no pixel sees, or clipped ones alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.natural_light import filled_light

__all__ = ["measured", "with_filled"]

LEAST = 0.25
"""Least share of a measured texel's coverage by values that are not clipped at the top."""

Texels = NDArray[Any]
Part = NDArray[np.bool_]


def measured(columns: Texels, not_over: Texels) -> Part:
    """Which texels pixels measure, rather than bound from below, shape (H * W,).

    Args:
        columns: how strongly the pixels see each texel, shape (H * W, 3).
        not_over: the same of values that are not clipped at the top.
    """
    enough: Part = not_over.sum(axis=1) > np.float32(LEAST) * columns.sum(axis=1)
    return enough


def with_filled(
    light: NDArray[np.float32], start: NDArray[np.float32], seen: Part, known: Part
) -> NDArray[np.float32]:
    """Replace what is not known by what is to be expected from the rest.

    What clipped pixels alone see keeps its value if that is larger: a bound from below is met by
    more light, and where it is met nothing keeps texels from ending far too dark.

    Args:
        light: the map, shape (H, W, 3).
        start: the start map, in the same shape.
        seen: which texels any pixel sees, shape (H, W).
        known: which of them are measured, shape (H, W).
    """
    found = filled_light(light, start, known)
    is_bounded = (seen & ~known)[:, :, None]
    return np.where(is_bounded, np.maximum(found, light), found)
