"""How many paths each pass of a growing recording adds, and when it has enough."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

__all__ = ["Pass", "Plan", "most_passes"]

LEAST_SPP = 8
"""Paths of a pixel from which a recording grows in passes, and may have enough."""

MANY_SPP, SOME_SPP = 64, 16
"""Paths of a pixel from which there is a pass between the first and the last, and those it has."""

FINER = 4
"""Factor from the side of blocks to that of the next ones."""

FAR = 6
"""Factor from which what a pass takes is foretold too roughly: one between comes first."""

MOST_USUAL, ENOUGH_SPP = 16, 256
"""How many times as many paths as usual are traced, at most, where there is time, and how many for
a pixel."""

USUAL_PASSES, BLOCKS, LIMITED_PASSES = 3, 3, 28
"""Passes at most of the same pixels, and those that blocks add; with a time limit so many as 2^36
paths take, if each grows by sqrt(FAR)."""

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
        spp: paths per pixel, or block, after it.
        is_last: whether the map is finished on this recording.
        is_solved: whether all steps are taken, or one.
        block: pixels on a side of the squares that are taken together.
    """

    spp: int
    is_last: bool
    is_solved: bool = False
    block: int = 1


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Chooses passes.

    Those before the last cost little beside it. They have 1 path per pixel, 16 if there are many,
    and all. Of large pictures, blocks take these passes in place of pixels, and finer blocks
    follow, with all paths. With a time limit, all are those for which there seems to be time, and
    passes come between as long as that is far more than what has been tried.

    Paths end before where more of them would not change the map by much of its own deviation. A map
    that is found by least squares has errors in proportion to those of the residuals (propagation
    of errors, Gauss 1823): if noise of the recording is less than a tenth of their variance, it
    moves the map by less than a third of its deviation.

    Attributes:
        spp: paths per pixel, or block, at the usual end.
        num_pixels: how many pixels count.
        block: pixels on a side of the first blocks.
        finest: that of the last ones; 1 if these are the pixels.
        seconds: time limit, or None.
        is_open: whether the number of paths may be another.
    """

    spp: int
    num_pixels: int = 1
    block: int = 1
    finest: int = 1
    seconds: float | None = None
    is_open: bool = False

    @property
    def most(self) -> int:
        """Most paths per pixel."""
        if not self.is_open or self.seconds is None:
            return self.spp
        return max(self.spp, min(MOST_USUAL * self.spp, ENOUGH_SPP))

    def paths(self, each: Pass) -> float:
        """Number of paths of the recording after a pass."""
        return each.spp * self.num_pixels / each.block**2

    def begin(self) -> Pass:
        """Return the first pass."""
        return self._rungs()[0]

    def after(
        self,
        last: Pass,
        *,
        share: Callable[[], float],
        seconds_left: float,
        taken: Sequence[tuple[float, float]],
        room: float,
    ) -> Pass:
        """Return the pass after one.

        Args:
            last: that one.
            share: returns the share of the squares of the residuals that noise of the recording
                explains.
            seconds_left: until the time limit; only with one.
            taken: paths after each pass so far, and its seconds.
            room: paths for which there is memory.
        """
        if self.is_open and last.spp >= LEAST_SPP and share() < LITTLE:
            plan = replace(self, spp=last.spp, is_open=False)
            return plan.after(last, share=share, seconds_left=seconds_left, taken=taken, room=room)
        now, rungs = self.paths(last), self._rungs()
        if self.seconds is None:
            return next((rung for rung in rungs if self.paths(rung) > now), rungs[-1])
        most = self.paths(replace(rungs[-1], spp=self.most))
        within = min(_within(taken, seconds_left), most, max(room, self.paths(rungs[-1])))
        if within >= FAR * now:
            between = self._reached((now * within) ** 0.5)
            if self.paths(between) > now:
                return between
        found = self._reached(within) if within >= LEAST_GROWTH * now else last
        return replace(found if self.paths(found) > now else last, is_last=True)

    def _rungs(self) -> list[Pass]:
        """The passes, where time has no limit."""
        few = [1] if self.block > self.finest or self.spp >= LEAST_SPP else []
        some = [SOME_SPP] if self.spp >= MANY_SPP else []
        sides = [self.block]
        while sides[-1] > self.finest:
            sides.append(max(sides[-1] // FINER, self.finest))
        begun = [Pass(spp=spp, block=self.block, is_last=False) for spp in few]
        solved = [(self.block, spp) for spp in some] + [(side, self.spp) for side in sides]
        rest = [Pass(spp=p, block=b, is_solved=True, is_last=False) for b, p in solved]
        return [*begun, *rest[:-1], replace(rest[-1], is_last=True)]

    def _reached(self, paths: float) -> Pass:
        """The pass for so many paths: of the first blocks, of finer ones, or more of the finest."""
        first, last = (self.num_pixels / block**2 for block in (self.block, self.finest))
        if paths < first * self.spp:
            return Pass(spp=max(int(paths / first), 1), block=self.block, is_last=False)
        if paths < last * self.spp:
            block = math.ceil(math.sqrt(self.num_pixels * self.spp / paths))
            return Pass(spp=self.spp, block=block, is_last=False)
        return Pass(spp=min(int(paths / last), self.most), block=self.finest, is_last=False)


def _within(taken: Sequence[tuple[float, float]], seconds_left: float) -> float:
    """How many paths a last pass may have to be done in time.

    A pass takes seconds in proportion to a power of its paths, which is near 1 once they are many.
    """
    (paths, seconds), power = taken[-1], LEAST_POWER
    if len(taken) > 1:
        earlier_paths, earlier = taken[-2]
        found = math.log(seconds / earlier) / math.log(paths / earlier_paths)
        power = min(max((found + 1) / 2, LEAST_POWER), 1.0)
    growth: float = (max(seconds_left, 0.0) / (WITH_STEPS * seconds)) ** (1 / power)
    return paths * growth


def most_passes(seconds: float | None) -> int:
    """Number of passes, at most, with a time limit or None."""
    return USUAL_PASSES + BLOCKS if seconds is None else LIMITED_PASSES
