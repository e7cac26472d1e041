"""Whether a run ended before its map was found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["motion", "unfinished"]

MANY = 12
"""Steps from which the loss of a run is judged by the means of quarters, as steps are noisy."""

SIGNIFICANCE = 3.0
"""Standard errors that a fall between quarters must have."""

NOISY_FALL, NOISY_SHARE = 0.01, 0.1
"""Fall in the last quarter, as a share of the loss or of its whole fall, from which it still falls.

The noise of renderings is a part of the loss that does not fall, so that a little is much; a loss
in steady fall loses 2 / 7 of the whole between the last two quarters."""

STEP_FALL, STEP_SHARE = 0.1, 0.05
STEADY_FALL, STEADY_SHARE = 0.01, 0.9
"""The same for the last of a few steps: either pair, of which both have to be reached. The last
number is a share of the mean fall of a step.

Of three steps that leave a quarter each the last has a share of 1 / 21: a loss that falls so fast
is near its end, however small it still gets."""

DONE = 1e-4
"""A loss that is so small a share of the highest one has nowhere to fall."""


def unfinished(losses: Sequence[float], steps: str = "iterations") -> str:
    """Why a loss says that its run ended too early; empty if it does not.

    From 12 steps on the means of the last two quarters are compared, their standard error being
    that of the successive differences (von Neumann 1941), which a trend hardly moves.

    Args:
        losses: of each step.
        steps: what the user of the optimizer calls them.
    """
    history = np.asarray(losses, np.float64)
    if len(history) < 2 or not np.isfinite(history).all():
        return ""
    length = len(history) // 4 if len(history) >= MANY else 1
    before, last = history[-2 * length : -length], history[-length:]
    fall, level = float(before.mean() - last.mean()), float(last.mean())
    share_of_level = fall / max(level, 1e-30)
    highest = float(history.max())  # where a run of passes begins afresh
    share_of_whole = fall / max(highest - level, 1e-30)
    if length == 1:
        share_of_mean = share_of_whole * (len(history) - 1)
        is_falling = (share_of_level > STEP_FALL and share_of_whole > STEP_SHARE) or (
            share_of_level > STEADY_FALL and share_of_mean > STEADY_SHARE
        )
    else:
        noise = float(np.sqrt(np.mean(np.diff(history[-2 * length :]) ** 2) / 2))
        is_clear = fall > SIGNIFICANCE * noise * (2 / length) ** 0.5
        is_falling = is_clear and (share_of_level > NOISY_FALL or share_of_whole > NOISY_SHARE)
    has_been_lower = history[:-length].min() < level  # priors rule it then
    if not is_falling or has_been_lower or level < DONE * highest:
        return ""
    part = "step" if length == 1 else "quarter"
    return (
        f"the loss was still falling when the run ended, by {100 * share_of_level:.2g} % in its "
        f"last {part}: the map is unfinished; take more {steps}, or a start map (initial) as "
        "bright as the light"
    )


def motion(
    texels: NDArray[np.float32], initial: NDArray[np.float32], coverage: NDArray[np.float32]
) -> float:
    """How far a map has moved from its start, as a share of the start, where it is seen.

    Args:
        texels: the map, shape (H, W, 3).
        initial: the start map, of that shape.
        coverage: weights of the texels, of that shape.
    """
    moved = float(np.sum(coverage * np.abs(texels - initial)))
    return moved / max(float(np.sum(coverage * np.abs(initial))), 1e-30)
