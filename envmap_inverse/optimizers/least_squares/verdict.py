"""Whether a map explains the pictures better than maps that nobody had to solve for."""

from __future__ import annotations

from envmap_inverse.optimizers.least_squares.held_out import HeldOutPixels
from envmap_inverse.optimizers.least_squares.pictures import Pictures, Pixels

__all__ = ["verdict"]

PERFECT = 1e-3
"""A loss at which a map is right, whatever others are."""

WORSE, MUCH_WORSE = 1.1, 1.5
"""Ratios to the losses of a uniform map and of a start map from which a map is worse; priors cost a
little, and light may be uniform."""


def verdict(
    pictures: Pictures,
    held_out: HeldOutPixels,
    loss: float,
    of_uniform: Pixels,
    of_start: Pixels | None,
) -> str:
    """How a run ended: "done", or why its map is of no use.

    Args:
        pictures: what the map is to explain.
        held_out: pixels of them that it was measured by.
        loss: of the map.
        of_uniform: prediction of light that is the same from everywhere.
        of_start: that of a start map of which the user had reason to think; None without one.
    """
    uniform = pictures.best_multiple(of_uniform)
    is_worse = loss > max(WORSE * pictures.mean_loss(uniform), PERFECT)
    if is_worse or held_out.are_better_by(uniform, WORSE):
        return (
            "ended: the map explains the pictures no better than light that is the same from "
            "everywhere; check the pictures, the camera and the scene"
        )
    if of_start is None:
        return "done"
    is_worse = loss >= max(MUCH_WORSE * pictures.mean_loss(of_start), PERFECT)
    if is_worse or held_out.are_better_by(of_start, MUCH_WORSE):
        return (
            "ended: the map explains the pictures worse than the start map (initial) does; use "
            "that, or check the loss and the priors"
        )
    return "done"
