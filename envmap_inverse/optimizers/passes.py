"""How many paths each pass of a growing recording adds, and when it has enough."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Pass", "Plan", "most_passes"]

LEAST_SPP = 8
"""Paths of a pixel from which a recording grows in passes, and may have enough."""

MANY_SPP = 64
"""Paths of a pixel from which there is a pass between the first and the last."""

FAR = 6
"""Factor from which what a pass takes is foretold too roughly: one between comes first."""

MOST_USUAL = 16
"""How many times as many paths as usual are traced, at most, where there is time."""

USUAL_PASSES, LIMITED_PASSES = 3, 18
"""Passes at most; with a time limit so many as 2^20 paths take, if each grows by sqrt(FAR)."""

LITTLE = 0.1
"""Share of the squares of the residuals from which noise of the recording counts for nothing."""

WITH_STEPS = 2.0
"""Seconds of the last pass with all its steps, over those of a pass with one."""

LEAST_POWER = 0.5
"""Of the paths, to which the seconds of a pass grow at least: the first few take as long as one."""

LEAST_GROWTH = 1.5
"""Factor by which the paths must grow to be worth another pass."""


@dataclass(frozen=True, kw_only=True)
class Pass:
    """A pass.

    Attributes:
        spp: paths per pixel after it.
        is_last: whether the map is finished on this recording.
    """

    spp: int
    is_last: bool


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Chooses passes.

    They have 1 path per pixel, the geometric mean if there are many, and all: those before the last
    cost little beside it. With a time limit, all are those for which there seems to be time, and
    passes come between as long as that is far more than what has been tried.

    They end before where more paths would not change the map by much of its own deviation. A map
    that is found by least squares has errors in proportion to those of the residuals (propagation
    of errors, Gauss 1823): if noise of the recording is less than a tenth of their variance, it
    moves the map by less than a third of its deviation.

    Attributes:
        spp: paths per pixel at the usual end.
        seconds: time limit, or None.
        is_open: whether the number of paths may be another.
    """

    spp: int
    seconds: float | None = None
    is_open: bool = False

    @property
    def most(self) -> int:
        """Most paths per pixel."""
        return self.spp * (MOST_USUAL if self.is_open and self.seconds is not None else 1)

    def begin(self) -> Pass:
        """Return the first pass."""
        is_only = self.spp < LEAST_SPP
        return Pass(spp=self.spp if is_only else 1, is_last=is_only)

    def after(
        self,
        spp: int,
        *,
        share: Callable[[], float],
        seconds_left: float,
        taken: Sequence[tuple[int, float]],
        room: int,
    ) -> Pass:
        """Return the pass after one.

        Args:
            spp: paths per pixel so far.
            share: returns the share of the squares of the residuals that noise of the recording
                explains.
            seconds_left: until the time limit; only with one.
            taken: paths per pixel after each pass so far, and its seconds.
            room: paths per pixel for which there is memory.
        """
        if self.is_open and spp >= LEAST_SPP and share() < LITTLE:
            return Pass(spp=spp, is_last=True)
        if self.seconds is None:
            middle = round(self.spp**0.5) if self.spp >= MANY_SPP else 1
            return Pass(spp=middle if spp < middle else self.spp, is_last=spp >= middle)
        within = min(_within(taken, seconds_left), self.most, max(room, self.spp))
        if within >= FAR * spp:
            return Pass(spp=round((spp * within) ** 0.5), is_last=False)
        return Pass(spp=int(within) if within >= LEAST_GROWTH * spp else spp, is_last=True)


def _within(taken: Sequence[tuple[int, float]], seconds_left: float) -> float:
    """How many paths per pixel a last pass may have to be done in time.

    A pass takes seconds in proportion to a power of its paths, which is near 1 once they are many.
    """
    (spp, seconds), power = taken[-1], LEAST_POWER
    if len(taken) > 1:
        earlier_spp, earlier = taken[-2]
        found = math.log(seconds / earlier) / math.log(spp / earlier_spp)
        power = min(max((found + 1) / 2, LEAST_POWER), 1.0)
    growth: float = (max(seconds_left, 0.0) / (WITH_STEPS * seconds)) ** (1 / power)
    return spp * growth


def most_passes(spp: int | None, seconds: float | None) -> int:
    """Number of passes, at most.

    Args:
        spp: paths per pixel at the end; None if they depend on the pictures.
        seconds: time limit, or None.
    """
    if seconds is not None:
        return LIMITED_PASSES
    if spp is None or spp >= MANY_SPP:
        return USUAL_PASSES
    return 1 if spp < LEAST_SPP else 2
