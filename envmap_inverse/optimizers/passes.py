"""How many paths each pass of a growing recording adds, and when it has enough."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["MOST_PASSES", "Pass", "Plan"]

LEAST_SPP = 8
"""Paths of a pixel from which a recording grows in passes."""

GROWTH, NUM_GROWN = 4, 2
"""Where there is time for more paths than usual, by how much they grow, and how often."""

MOST_PASSES = 3 + NUM_GROWN

LITTLE = 0.1
"""Share of the squares of the residuals from which noise of the recording counts for nothing."""

OF_STEPS = 1.0
"""Seconds of the steps of the last pass, for each second that its paths take."""

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

    They have 1 path per pixel, the geometric mean, and all: passes before the last cost little
    beside it. With a time limit, passes go on beyond that.

    It ends before where more paths would not change the map by much of its own deviation. A map
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
    def totals(self) -> Iterator[int]:
        """Paths per pixel after each pass, if nothing ends them."""
        if self.spp >= LEAST_SPP:
            yield from (1, round(self.spp**0.5))
        yield self.spp
        if self.is_open and self.seconds is not None:
            yield from (self.spp * GROWTH ** (1 + k) for k in range(NUM_GROWN))

    def begin(self) -> Pass:
        """The first pass."""
        first, *others = self.totals
        return Pass(spp=first, is_last=not others)

    def after(self, spp: int, *, share: float, elapsed: float, most: int) -> Pass:
        """The pass after one.

        Args:
            spp: paths per pixel so far.
            share: of the squares of the residuals that noise of the recording explains.
            elapsed: seconds so far.
            most: paths per pixel for which there is memory.
        """
        if self.is_open and share < LITTLE:
            return Pass(spp=spp, is_last=True)
        ahead: Sequence[int] = [total for total in self.totals if total > spp]
        if self.seconds is None:
            return Pass(spp=ahead[0], is_last=len(ahead) == 1)
        time_left = max(self.seconds - elapsed, 0.0)
        within = spp + int(time_left / (1 + OF_STEPS) / (elapsed / spp))
        if self.is_open and ahead[0] > self.spp:
            within = min(within, most)
        if len(ahead) > 1 and within >= ahead[1]:
            return Pass(spp=ahead[0], is_last=False)
        within = min(within, ahead[min(1, len(ahead) - 1)] if self.is_open else self.spp)
        return Pass(spp=within if within > LEAST_GROWTH * spp else spp, is_last=True)
