"""Solve while the recording grows: a map soon, and a better one with block pass."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.optimizers.least_squares import stopping
from envmap_inverse.optimizers.least_squares.robust import RobustLeastSquares
from envmap_inverse.optimizers.least_squares.solver import LeastSquares, Settings
from envmap_inverse.optimizers.passes import Pass, Plan
from envmap_inverse.optimizers.protocol import Keeper, State, Step
from envmap_inverse.optimizers.recorded import kept_recording, recorded
from envmap_inverse.problem.blocks import in_blocks_of, spread_out
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.solution import Solution
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.system.arrays import Library, as_columns, to_host
from envmap_inverse.system.memory import free_memory

__all__ = ["Progressive"]

COPIES = 3
"""How often a recording stands in memory while it grows."""


class Progressive:
    """A `Solver` that records in passes, with a map after each.

    Each pass but the last is one step: trace further paths, warm up from the map of the pass
    before, and take a round, or all if it is to be solved. The last takes all steps of
    `RobustLeastSquares` from the start map: what it finds is what a run on its recording alone
    finds. Its steps are shown once their map explains the pictures better than that of the pass
    before. A pass goes on with the paths of those of the same pixels or blocks, so that the last
    recording is the one that tracing all at once gives.
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
        self._taken: list[tuple[float, float]] = []
        self._transport: LightTransport | None = None
        self._block = 1
        self._losses: list[float] = []
        self._loss_before = np.inf
        self._before: NDArray[Any] | None = None
        self._solver: LeastSquares | RobustLeastSquares

    def step(self, index: int) -> Step:  # noqa: ARG002 - steps are counted here
        """Take the one step of another pass, or those of the last up to a better map."""
        if not (self._passes and self._passes[-1].is_last):
            self._begin_another()
        step = self._advanced()
        while self._is_behind and time.perf_counter() <= self._ends:
            step = self._advanced()
        block, view = self._block, self._problem.views[0]
        if block == 1:
            return step
        return replace(step, image=lambda: spread_out(step.image(), view.image.shape[1::-1], block))

    def _advanced(self) -> Step:
        """Take the steps of the present pass, or the next one of the last.

        Warming up alone leaves a map full of specks, though it may explain the pictures well: after
        another pass the first round goes with it.
        """
        if isinstance(self._solver, LeastSquares):
            return self._solver.run() if self._passes[-1].is_solved else self._solver.advance()
        step = self._solver.step(len(self._losses))
        self._losses.append(step.loss)
        return self._advanced() if len(self._losses) == 1 < len(self._passes) else step

    @property
    def _is_behind(self) -> bool:
        """Whether the map of the pass before explains the pictures as well as the present one."""
        return not self.is_finished and stopping.has_settled(self._loss_before, self._solver.loss)

    @property
    def is_finished(self) -> bool:
        """Whether all steps of the last pass are done."""
        return bool(self._passes) and self._passes[-1].is_last and self._solver.is_finished

    def _begin_another(self) -> None:
        """Begin the next pass, at the map of the one before; the last begins afresh.

        Texels that few paths missed are too dark for steps that are worth their time: lamps would
        be cut.
        """
        if self._transport is None:
            self._begin(self._plan.begin())
            return
        before, transport, last = self._solver, self._transport, self._passes[-1]
        room = (self._library.free_memory or free_memory)() // COPIES
        now, paths = time.perf_counter(), self._plan.paths(last)
        self._taken.append((paths, now - self._last))
        self._begin(
            self._plan.after(
                last,
                share=before.share_of_paths,
                seconds_left=self._ends - now,
                taken=self._taken,
                room=paths * room / transport.nbytes,
            )
        )
        self._take(before.radiance)

    def _take(self, radiance: NDArray[Any]) -> None:
        """Go on from the map of the pass before, or have the last pass begin beside it."""
        self._solver.begin_at(radiance)
        if isinstance(self._solver, RobustLeastSquares):
            self._before, self._loss_before = radiance, self._solver.loss
            self._solver.begin()

    def state(self) -> State:
        """See `Solver`."""
        passes = np.array([(each.spp, each.block) for each in self._passes])
        own = {"passes": passes, "losses": np.array(self._losses)}
        before = {} if self._before is None else {"before": to_host(self._before)}
        return {**self._solver.state(), **own, **before}

    def restore(self, state: State, num_done: int) -> None:
        """See `Solver`."""
        found = [state.get(name, np.zeros(0)) for name in ("passes", "losses")]
        if [array.ndim for array in found] != [2, 1]:
            raise InputError("the checkpoint does not fit the run; begin again with --overwrite")
        *before, last = (Pass(spp=s, block=e, is_last=False) for s, e in state["passes"].tolist())
        last = replace(last, is_last="outliers" in state)
        problem = in_blocks_of(self._problem, last.block)
        kept = kept_recording(problem, self._keeper, self._library) if last.is_last else None
        if kept is not None and kept.spp == last.spp:
            self._transport, self._block = kept, last.block
        self._passes = [*before]
        for each in before:
            if each.block == last.block:
                self._record(each, problem)
        self._begin(last)
        self._losses = state["losses"].tolist()
        if "before" in state:
            self._take(as_columns(self._library.array(state["before"])))
        self._solver.restore(state, num_done - len(before))

    def solution(self) -> Solution:
        """See `Solver`; without the recording if it is of blocks, and fits no pictures."""
        if self._is_behind and self._before is not None:
            self._solver.begin_at(self._before)
        solution = replace(self._solver.solution(), losses=tuple(self._losses))
        if self._block == 1:
            return solution
        masks = zip(self._problem.views, solution.outliers or (), strict=False)
        outliers = [spread_out(mask, view.image.shape[1::-1], self._block) for view, mask in masks]
        return replace(
            solution, transport=None, outliers=tuple(outliers) if solution.outliers else None
        )

    def _begin(self, chosen: Pass) -> None:
        self._last = time.perf_counter()
        problem = in_blocks_of(self._problem, chosen.block)
        transport = self._record(chosen, problem)
        self._passes.append(chosen)
        options = self._settings, problem, transport
        if not chosen.is_last:
            self._solver = LeastSquares(*options, phases=self._phases)
            return
        if self._keeper and transport.remote is None:
            self._keeper.keep_transport(transport)
        self._solver = RobustLeastSquares(
            *options, max_share=self._max_share, phases=self._phases, ends=self._ends
        )

    def _record(self, chosen: Pass, problem: Problem) -> LightTransport:
        """The recording after a pass, of a problem in its blocks."""
        begun = time.perf_counter()
        earlier = self._transport if self._block == chosen.block else None
        options = self._options
        if chosen.block > self._plan.finest:  # not worth the start of workers
            options = {**options, "executor": None}
        if earlier is None or earlier.spp < chosen.spp:
            self._block = chosen.block
            self._transport = recorded(
                problem,
                spp=chosen.spp,
                earlier=earlier,
                most_spp=self._plan.most,
                library=self._library,
                **options,
            )
            assembling = self._transport.seconds_assembling
            self._phases["assemble"] += assembling
            self._phases["record"] += time.perf_counter() - begun - assembling
        transport = self._transport
        assert transport is not None
        return transport
