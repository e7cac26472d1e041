"""False colours for quantities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["VIRIDIS", "false_colours"]

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


def false_colours(share: NDArray[np.floating]) -> NDArray[np.float64]:
    """Colour shares in viridis, which grows evenly lighter from dark blue at 0 to yellow at 1.

    Args:
        share: values from 0 to 1, shape (...); values outside get the colour of the nearer end.

    Returns:
        RGB from 0 to 255, shape (..., 3).
    """
    stops = np.linspace(0, 1, len(VIRIDIS))
    return np.stack([np.interp(share, stops, channel) for channel in VIRIDIS.T], axis=-1)
