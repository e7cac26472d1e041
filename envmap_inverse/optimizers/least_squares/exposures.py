"""Find unknown exposures before the map."""

from __future__ import annotations

from dataclasses import replace

from envmap_inverse.losses import RelativeMSE
from envmap_inverse.optimizers.least_squares.solver import LeastSquares, Settings
from envmap_inverse.priors import Tikhonov, TotalVariation
from envmap_inverse.problem.problem import Problem
from envmap_inverse.recording.light_transport import LightTransport

__all__ = ["with_found_exposures"]


def with_found_exposures(
    problem: Problem, transport: LightTransport, settings: Settings | None = None
) -> Problem:
    """Return the problem with a number for each exposure "auto".

    They come from a solution with weak priors, most of it by the multiplicative steps, which have
    none: a preference for smooth maps makes those parts of the map darker that only pictures of
    unknown exposure see. Its loss is relative, whatever the problem's, so that a few bright pixels
    do not decide.
    """
    if all(view.knows_exposure for view in problem.views):
        return problem
    weak = (Tikhonov(weight=0.0015), TotalVariation(weight=0.01))
    solver = LeastSquares(
        replace(settings or Settings(), warm_up=16),
        replace(problem, loss=RelativeMSE(), priors=weak),
        transport,
    )
    solver.run()
    views = zip(problem.views, solver.gains.exposures, strict=True)
    return replace(problem, views=tuple(replace(view, exposure=found) for view, found in views))
