"""Least squares without the outliers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.optimizers.least_squares.outliers import outlying
from envmap_inverse.optimizers.least_squares.pictures import Pixels
from envmap_inverse.optimizers.least_squares.solver import LeastSquares, Settings, Texels
from envmap_inverse.optimizers.least_squares.weighting import variance_of_map
from envmap_inverse.optimizers.protocol import State, Step
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.solution import Solution
from envmap_inverse.recording.blocks import elementwise
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.system.arrays import to_host

__all__ = ["RobustLeastSquares"]

MIN_PIXELS, MIN_SHARE = 12, 0.005
"""Outliers, and their share of the pixels, from which they are left out."""

MAX_OF_VIEW = 0.5
"""Share of the pixels of a view from which it is wrong as a whole, and none of them is left out."""

MAX_SEARCHES = 6
MEDIAN = 0.455
"""Of the squares of standard normal numbers."""

SAME = 0.05
"""Change of the number of outliers, as a share, that ends the search."""

Masks = tuple[NDArray[np.bool_], ...]
"""Which pixels are outliers, of each view, shape (h, w)."""


class RobustLeastSquares:
    """A `Solver` that goes on without the pixels that its map does not explain.

    The map bends to outliers as far as it can, and gives way once the most obvious ones are left
    out; so the search goes on until it finds no more. If it finds too many, not they are wrong but
    the scene, and none is left out.
    """

    def __init__(
        self,
        settings: Settings,
        problem: Problem,
        transport: LightTransport,
        *,
        max_share: float,
        phases: Mapping[str, float] | None = None,
        ends: float = np.inf,
    ) -> None:
        """Prepare to solve.

        Args:
            settings: how to solve.
            problem: what to solve.
            transport: the recording of the problem's views.
            max_share: of outliers among the pixels that count; 0 to look for none.
            phases: seconds that led here, for the solution.
            ends: when to look for outliers no longer, by `time.perf_counter`.
        """
        self._ends = ends
        self._settings, self._problem, self._transport = settings, problem, transport
        self._max_share, self._phases = max_share, phases
        self._solver = self._first = LeastSquares(settings, problem, transport, phases=phases)
        self._counts = [view.weights[:, :, 0] > 0 for view in problem.views]
        self._outliers: Masks = tuple(map(np.zeros_like, self._counts))

    def begin(self) -> None:
        """See `LeastSquares`."""
        self._solver.begin()

    def begin_at(self, radiance: Texels) -> None:
        """See `LeastSquares`."""
        self._solver.begin_at(radiance)

    def step(self, index: int) -> Step:
        """Take a step of least squares; after the last, go on without the outliers."""
        step = self._solver.step(index)
        if not (self.is_finished and self._max_share):
            return step
        del step
        self._search()
        if self._solver is self._first:
            return self._first.report()
        step = self._solver.step(self._settings.rounds)
        loss = self._first.pictures.mean_loss(self._prediction(self._solver))
        return replace(step, loss=loss)  # of the pixels of the steps before

    @property
    def radiance(self) -> Texels:
        """The present map."""
        return self._solver.radiance

    @property
    def loss(self) -> float:
        """See `LeastSquares`."""
        return self._solver.loss

    def share_of_paths(self) -> float:
        """See `LeastSquares`."""
        return self._solver.share_of_paths()

    @property
    def is_finished(self) -> bool:
        """Whether all steps are done."""
        return self._solver.is_finished

    def state(self) -> State:
        """See `Solver`."""
        masks = [mask.ravel() for mask in self._outliers]
        return {**self._solver.state(), "outliers": np.concatenate(masks)}

    def restore(self, state: State, num_done: int) -> None:
        """See `Solver`."""
        if "outliers" in state and state["outliers"].any():
            ends = np.cumsum([counts.size for counts in self._counts])[:-1]
            parts = np.split(state["outliers"].astype(bool), ends)
            self._outliers = tuple(
                part.reshape(counts.shape) for part, counts in zip(parts, self._counts, strict=True)
            )
            self._solver = self._without(self._outliers)
        self._solver.restore(state, num_done)

    def solution(self) -> Solution:
        """See `Solver`."""
        outliers = self._outliers if self._max_share else None
        return replace(self._solver.solution(), outliers=outliers)

    def _search(self) -> None:
        """Go on without outliers until there are no more."""
        total = sum(int(counts.sum()) for counts in self._counts)
        solver, outliers, number = self._first, self._outliers, 0
        left_out = outliers
        for _ in range(MAX_SEARCHES):
            outliers = self._found(solver, outliers)
            before, number = number, sum(int(mask.sum()) for mask in outliers)
            if not max(MIN_PIXELS, MIN_SHARE * total) <= number <= self._max_share * total:
                return
            if abs(number - before) <= SAME * number or time.perf_counter() > self._ends:
                break
            unit, texels = solver.unit, solver.without_held_out
            solver = self._first  # at most two are held at a time
            solver.forget_prediction()
            solver = self._without(outliers)
            solver.begin_at(np.float32(unit) * texels)
            solver.advance()
            left_out = outliers
        self._solver, self._outliers = solver, left_out

    def _found(self, solver: LeastSquares, before: Masks) -> Masks:
        """The outliers of a solver's map, among those that it saw and those that it did not."""
        pictures = self._first.pictures
        predicted = self._prediction(solver)
        noise = pictures.noise(predicted)
        noise *= _share_of_noise(noise, pictures.missing(predicted), pictures.weights[:, 0] > 0)
        variance = pictures.expected_variance(predicted, self._recorded(solver), noise)
        deviation = elementwise(
            lambda w, v: np.where(w > 0, np.sqrt(v), np.float32(np.inf)),
            *(pictures.weights, variance),
            into=variance,
        )
        missing = pictures.missing(predicted)
        arrays = [pictures.gains.split(to_host(array)) for array in (predicted, missing, deviation)]
        found = []
        for is_in, was, *of_view in zip(self._counts, before, *arrays, strict=True):
            light, rest, reach = (
                np.moveaxis(array.T.reshape(3, *was.shape), 0, 2) for array in of_view
            )
            mask = outlying(light, rest, reach, was)
            found.append(mask & (mask.sum() <= MAX_OF_VIEW * is_in.sum()))
        return tuple(found)

    def _recorded(self, solver: LeastSquares) -> Pixels:
        """The variance of a solver's prediction by recording and texels, in those units."""
        variance = variance_of_map(self._transport, solver.texels, solver.share_unresolved)
        variance *= np.float32(solver.unit / self._first.unit) ** 2
        return variance

    def _prediction(self, solver: LeastSquares) -> Pixels:
        """The pictures by a solver's map, in the units of the first solver."""
        predicted: Pixels = np.float32(solver.unit / self._first.unit) * solver.predicted
        return predicted

    def _without(self, outliers: Masks) -> LeastSquares:
        """A solver that does not see the outliers."""
        views = tuple(
            replace(view, mask=view.mask * ~mask)
            for view, mask in zip(self._problem.views, outliers, strict=True)
        )
        problem = replace(self._problem, views=views)
        return LeastSquares(
            *(self._settings, problem, self._transport),
            phases=self._phases,
            held_out=self._first.held_out.chosen,
        )


def _share_of_noise(noise: Pixels, missing: Pixels, counts: NDArray[np.bool_]) -> np.float32:
    """How much of the variance of noise most pixels show: dust may have been taken for it."""
    ratios = elementwise(lambda m, n: m**2 / np.maximum(n, np.float32(1e-30)), missing, noise)
    ratios = to_host(ratios if counts.all() else ratios[counts])
    median = np.median(ratios, overwrite_input=True)
    return np.float32(min(float(median) / MEDIAN, 1.0))
