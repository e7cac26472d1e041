"""Whether a map explains the pictures better than maps that nobody had to solve for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.optimizers.least_squares.held_out import HeldOutPixels
from envmap_inverse.optimizers.least_squares.pictures import Pictures
from envmap_inverse.recording.light_transport import LightTransport

__all__ = ["verdict"]

PERFECT = 1e-3
"""A loss at which a map is right, whatever others are."""

WORSE, MUCH_WORSE = 1.1, 1.5
"""Ratios to the losses of a uniform map and of a start map from which a map is worse; priors cost a
little, and light may be uniform."""


Texels = NDArray[Any]


def verdict(
    transport: LightTransport,
    start: Texels,
    pictures: Pictures,
    held_out: HeldOutPixels,
    loss: float,
) -> str:
    """How a run ended: "done", or why its map is of no use.

    Args:
        transport: the recording.
        start: the start map; unless it is uniform, the user had reason to think of it.
        pictures: what the map is to explain.
        held_out: pixels of them that it was measured by.
        loss: of the map.
    """
    uniform = pictures.best_multiple(transport.matvec(np.ones_like(start)))
    is_worse = loss > max(WORSE * pictures.mean_loss(uniform), PERFECT)
    if is_worse or held_out.are_better_by(uniform, WORSE):
        return (
            "ended: the map explains the pictures no better than light that is the same from "
            "everywhere; check the pictures, the camera and the scene"
        )
    if np.ptp(start) == 0:
        return "done"
    del uniform
    of_start = transport.matvec(start)
    is_worse = loss >= max(MUCH_WORSE * pictures.mean_loss(of_start), PERFECT)
    if is_worse or held_out.are_better_by(of_start, MUCH_WORSE):
        return (
            "ended: the map explains the pictures worse than the start map (initial) does; use "
            "that, or check the loss and the priors"
        )
    return "done"
