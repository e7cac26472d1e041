"""How many paths each pass of a growing recording adds, and when it has enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Pass", "Plan", "most_passes"]

LEAST_SPP = 8
"""Paths of a pixel from which a recording grows in passes, and may have enough."""

MANY_SPP = 64
"""Paths of a pixel from which there is a pass between the first and the last."""

GROWTH = 4
"""Factor from pass to pass where time is limited, so that each foretells the next."""

MOST_USUAL = 16
"""How many times as many paths as usual are traced, at most, where there is time."""

USUAL_PASSES, LIMITED_PASSES = 3, 12
"""Passes at most; with a time limit so many as 2^20 paths take."""

LITTLE = 0.1
"""Share of the squares of the residuals from which noise of the recording counts for nothing."""

WITH_STEPS = 3.0
"""Seconds of the last pass with all its steps, over those of its paths."""

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
    cost little beside it. With a time limit, paths grow by 4 as long as there is time for more.

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
        seconds_per_path: float,
        room: int,
    ) -> Pass:
        """Return the pass after one.

        Args:
            spp: paths per pixel so far.
            share: returns the share of the squares of the residuals that noise of the recording
                explains.
            seconds_left: until the time limit; only with one.
            seconds_per_path: of the last pass for each path per pixel.
            room: paths per pixel for which there is memory.
        """
        if self.is_open and spp >= LEAST_SPP and share() < LITTLE:
            return Pass(spp=spp, is_last=True)
        if self.seconds is None:
            middle = round(self.spp**0.5) if self.spp >= MANY_SPP else 1
            return Pass(spp=middle if spp < middle else self.spp, is_last=spp >= middle)
        most = min(self.most, max(room, self.spp))
        within = spp + int(max(seconds_left, 0) / WITH_STEPS / seconds_per_path)
        if min(within, most) >= LEAST_GROWTH * GROWTH * spp:
            return Pass(spp=GROWTH * spp, is_last=False)
        last = min(within, most)
        return Pass(spp=last if last >= LEAST_GROWTH * spp else spp, is_last=True)


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
