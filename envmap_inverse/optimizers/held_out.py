"""Pixels that are kept from a fit, to measure it by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.optimizers.least_squares.gains import Gains
from envmap_inverse.optimizers.least_squares.solver import LeastSquares, Settings
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.view import View
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.system.arrays import to_host

__all__ = ["measured_losses", "split"]

Pixels = NDArray[Any]


class Predictor(Protocol):
    """A solver that has a map: `predicted` is the pictures by it, in units of `unit`."""

    @property
    def settings(self) -> Settings: ...

    @property
    def problem(self) -> Problem: ...

    @property
    def transport(self) -> LightTransport: ...

    @property
    def gains(self) -> Gains: ...

    @property
    def predicted(self) -> Pixels: ...

    @property
    def unit(self) -> float: ...


def split(view: View, share: float, random: np.random.Generator) -> tuple[View, View]:
    """A view for the fit and one for the measure: with disjoint masks.

    Args:
        view: whose masked pixels are in neither.
        share: of its pixels that the measure sees, at least one of them; 0, or a view of a single
            pixel, gives the whole view twice.
        random: chooses them.
    """
    seen = np.flatnonzero(view.mask)
    num_out = min(math.ceil(share * len(seen)), len(seen) - 1)
    if num_out == 0:
        return view, view
    is_out = np.zeros(view.mask.shape, bool)
    is_out.flat[random.choice(seen, num_out, replace=False)] = True
    fitted, measured = (replace(view, mask=view.mask * part) for part in (~is_out, is_out))
    return fitted, measured


def measured_losses(solver: Predictor, views: Sequence[View]) -> Pixels:
    """The weighted loss of a solver's prediction on each pixel that it did not see.

    Args:
        solver: has the map.
        views: of the solver's problem, with the other pixels.
    """
    exposed = tuple(
        replace(view, exposure=exposure)
        for view, exposure in zip(views, solver.gains.exposures, strict=True)
    )
    problem = replace(solver.problem, views=exposed)
    judge = LeastSquares(solver.settings, problem, solver.transport)
    predicted = solver.predicted * np.float32(solver.unit / judge.unit)
    losses = judge.pictures.weights * judge.pictures.losses(predicted)
    counts = judge.pictures.weights > 0
    return np.asarray(to_host(losses[counts.any(axis=1)]))
