"""Solve while the recording grows: a map soon, and a better one with every pass."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from envmap_inverse.errors import InputError
from envmap_inverse.optimizers.least_squares.robust import RobustLeastSquares
from envmap_inverse.optimizers.least_squares.solver import LeastSquares, Settings
from envmap_inverse.optimizers.passes import Pass, Plan
from envmap_inverse.optimizers.protocol import Keeper, State, Step
from envmap_inverse.optimizers.recorded import kept_recording, recorded
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.solution import Solution
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.system.arrays import Library
from envmap_inverse.system.memory import free_memory

__all__ = ["Progressive"]

COPIES = 3
"""How often a recording stands in memory while it grows."""


class Progressive:
    """A `Solver` that records in passes, with a map after each.

    Each pass but the last is one step: trace further paths, warm up, and take a round. The last
    takes all steps of `RobustLeastSquares` from the start map: what it finds is what a run on its
    recording alone finds. A pass goes on with the paths of those before
    it, so that the last recording is the one that tracing all at once gives.
    """

    def __init__(
        self,
        settings: Settings,
        problem: Problem,
        keeper: Keeper | None,
        plan: Plan,
        *,
        max_share: float,
        library: Library,
        **options: Any,
    ) -> None:
        """Prepare to record.

        Args:
            settings: how to solve.
            problem: what to solve.
            keeper: keeps the last recording for a run that goes on.
            plan: chooses the passes.
            max_share: of outliers; see `RobustLeastSquares`.
            library: whose matrices the recording has.
            **options: of `recorded`.
        """
        self._settings, self._problem, self._keeper = settings, problem, keeper
        self._plan, self._max_share, self._library = plan, max_share, library
        self._options = options
        self._last = time.perf_counter()
        self._ends = self._last + (plan.seconds or np.inf)
        self._phases = {"record": 0.0, "assemble": 0.0}
        self._passes: list[Pass] = []
        self._taken: list[tuple[int, float]] = []
        self._transport: LightTransport | None = None
        self._solver: LeastSquares | RobustLeastSquares

    def step(self, index: int) -> Step:
        """Take the one step of another pass, or the next one of the last."""
        if not (self._passes and self._passes[-1].is_last):
            self._begin_another()
        step = self._advanced(index + 1 - len(self._passes))
        return replace(step, ending="done") if time.perf_counter() > self._ends else step

    def _advanced(self, number: int) -> Step:
        """Take a step of the present pass, the so manieth of the last.

        Where light is blurred, the map after the last warm-up is worse than that of the pass
        before, and is not shown: the first round goes with it.
        """
        if isinstance(self._solver, LeastSquares):
            return self._solver.advance()
        is_usual = len(self._passes) > 1 and self._settings.warm_up is None
        if not (is_usual and self._solver.is_smoothed):
            return self._solver.step(number)
        if number == 0:
            self._solver.step(0)
        return self._solver.step(number + 1)

    @property
    def is_finished(self) -> bool:
        """Whether all steps of the last pass are done."""
        return bool(self._passes) and self._solver.is_finished

    def _begin_another(self) -> None:
        """Begin the next pass, at the map of the one before; the last begins afresh.

        Texels that few paths missed are too dark for steps that are worth their time: lamps would
        be cut.
        """
        if self._transport is None:
            self._begin(self._plan.begin())
            return
        before, transport = self._solver, self._transport
        room = (self._library.free_memory or free_memory)() // COPIES
        now = time.perf_counter()
        self._taken.append((transport.spp, now - self._last))
        self._begin(
            self._plan.after(
                transport.spp,
                share=before.share_of_paths,
                seconds_left=self._ends - now,
                taken=self._taken,
                room=transport.spp * room // transport.nbytes,
            )
        )
        if not self._passes[-1].is_last:
            self._solver.begin_at(before.texels)

    def state(self) -> State:
        """See `Solver`."""
        totals = np.array([each.spp for each in self._passes])
        return {**self._solver.state(), "passes": totals}

    def restore(self, state: State, num_done: int) -> None:
        """See `Solver`."""
        if "passes" not in state:
            raise InputError("the checkpoint does not fit the run; begin again with --overwrite")
        totals, is_last = state["passes"].tolist(), "outliers" in state
        kept = kept_recording(self._problem, self._keeper, self._library) if is_last else None
        if kept is not None and kept.spp == totals[-1]:
            self._transport = kept
        self._passes = [Pass(spp=spp, is_last=False) for spp in totals[:-1]]
        for spp in totals[:-1]:
            self._record(spp)
        self._begin(Pass(spp=totals[-1], is_last=is_last))
        self._solver.restore(state, num_done + 1 - len(totals))

    def solution(self) -> Solution:
        """See `Solver`."""
        return self._solver.solution()

    def _begin(self, chosen: Pass) -> None:
        self._passes.append(chosen)
        self._last = time.perf_counter()
        transport = self._record(chosen.spp)
        options = self._settings, self._problem, transport
        if not chosen.is_last:
            self._solver = LeastSquares(*options, phases=self._phases)
            return
        if self._keeper and transport.remote is None:
            self._keeper.keep_transport(transport)
        self._solver = RobustLeastSquares(
            *options, max_share=self._max_share, phases=self._phases, ends=self._ends
        )

    def _record(self, spp: int) -> LightTransport:
        """The recording with so many paths per pixel."""
        begun, earlier = time.perf_counter(), self._transport
        if earlier is None or earlier.spp < spp:
            self._transport = recorded(
                self._problem,
                spp=spp,
                earlier=earlier,
                most_spp=self._plan.most,
                library=self._library,
                **self._options,
            )
            assembling = self._transport.seconds_assembling
            self._phases["assemble"] += assembling
            self._phases["record"] += time.perf_counter() - begun - assembling
        transport = self._transport
        assert transport is not None
        return transport
