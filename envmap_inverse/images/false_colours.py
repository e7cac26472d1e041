"""False colours for quantities, the same in the report, notebooks and figures."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["VIRIDIS", "false_colours", "heat", "heat_range"]

VIRIDIS = np.array(
    [
        [68, 1, 84],
        [71, 44, 122],
        [59, 81, 139],
        [44, 113, 142],
        [33, 144, 141],
        [39, 173, 129],
        [92, 200, 99],
        [170, 220, 50],
        [253, 231, 37],
    ]
)
"""Nine colours of viridis (Smith and van der Walt, CC0), dark to bright; also in page.css."""
DECADES = 4
"""Most orders of magnitude that a scale spans."""


def false_colours(share: NDArray[np.floating]) -> NDArray[np.float64]:
    """Colour shares in viridis, which grows evenly lighter from dark blue at 0 to yellow at 1.

    Args:
        share: values from 0 to 1, shape (...); values outside get the colour of the nearer end.

    Returns:
        RGB from 0 to 255, shape (..., 3).
    """
    stops = np.linspace(0, 1, len(VIRIDIS))
    return np.stack([np.interp(share, stops, channel) for channel in VIRIDIS.T], axis=-1)


def heat_range(values: NDArray[np.floating]) -> tuple[float, float] | None:
    """Ends of a logarithmic scale of what is above 0; None if nothing is."""
    positive = values[np.isfinite(values) & (values > 0)]
    if positive.size == 0:
        return None
    high = float(np.percentile(positive, 99.9))
    return max(float(np.percentile(positive, 1)), high / 10**DECADES), high


def heat(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Values (h, w) in false colours on a logarithmic scale, black where nothing is above 0."""
    ends = heat_range(values)
    if ends is None:
        return np.zeros((*values.shape, 3), np.uint8)
    low, high = ends
    share = np.log(np.clip(np.nan_to_num(values), low, high) / low)
    shown = false_colours(share / max(math.log(high / low), 1e-6))
    return np.where(values[..., None] > 0, shown, 0).astype(np.uint8)
