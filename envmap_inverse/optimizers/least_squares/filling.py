"""Fill in what pictures do not tell: texels that no pixel sees, or clipped ones alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.natural_light import filled_light
from envmap_inverse.system.arrays import to_host

__all__ = ["measured", "radiance", "with_filled"]

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


def radiance(
    texels: Texels,
    start: Texels,
    seen: Part,
    known: Part,
    *,
    resolution: tuple[int, int],
    unit: float,
    is_filled: bool,
) -> NDArray[np.float32]:
    """A map in radiance on the processor, shape (H, W, 3), filled in where it is not known.

    Args:
        texels: the map, shape (H * W, 3).
        start: the start map.
        seen: which values any pixel sees, shape (H * W, 3).
        known: which texels are measured, shape (H * W,).
        resolution: (width, height) of the map.
        unit: radiance that both maps count in.
        is_filled: whether it is filled in.
    """
    width, height = resolution
    light = to_host(texels).reshape(height, width, 3)
    if is_filled:
        parts = (to_host(part).reshape(height, width, -1).any(axis=2) for part in (seen, known))
        light = with_filled(light, to_host(start).reshape(height, width, 3), *parts)
    return np.ascontiguousarray(light * np.float32(unit))
