"""When further steps are not worth their time, or would fit noise."""

from __future__ import annotations

__all__ = [
    "ENOUGH",
    "ENOUGH_TO_GO_ON",
    "MOST_FACTORS",
    "MOST_ITERATIONS",
    "has_settled",
    "is_below_noise",
]

MOST_FACTORS, MOST_ITERATIONS = 8, 16
"""Multiplicative steps of a pass and conjugate-gradient steps of a round, at most."""

ENOUGH, ENOUGH_TO_GO_ON = 0.07, 0.4
"""When conjugate gradients end, see there; and where a better recording follows."""

LEAST_FALL = 0.05
"""Fall of the loss of held-out pixels, as a share of it, that is worth another step."""

BELOW_NOISE = 6.0
"""Variance of the recording's noise, over the squares of the residuals, from which these are below
it. As paths are stratified, the variance is less than reckoned."""


def has_settled(before: float, after: float) -> bool:
    """Whether a step was in vain: held-out pixels are predicted no better.

    Further steps would fit noise (Coakley 1991, A cross-validation procedure for stopping the EM
    algorithm).

    Args:
        before: mean loss of the held-out pixels before a step.
        after: that after it.
    """
    return before - after < LEAST_FALL * after


def is_below_noise(share: float) -> bool:
    """Whether residuals are so far below the recording's noise that rounds would fit that noise.

    This is the discrepancy principle (Morozov 1966).

    Args:
        share: variance of the recording's noise over the squares of the residuals.
    """
    return share > BELOW_NOISE
