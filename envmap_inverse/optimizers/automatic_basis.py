"""Choose the numbers to solve for: texels, or few numbers that a map follows from."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.light_models.family import Family, Sums
from envmap_inverse.lights.sky import sun_and_sky
from envmap_inverse.optimizers.held_out import measured_losses, split
from envmap_inverse.optimizers.least_squares.few_numbers import FewNumbers
from envmap_inverse.optimizers.least_squares.solver import LeastSquares, Settings
from envmap_inverse.parameterizations import SG, SH, Direct, Parameterization, SunSky
from envmap_inverse.problem.problem import Problem
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.system.progress import stage

__all__ = ["AUTO", "check_parameterization", "chosen", "family_of", "settled"]

CANDIDATES: tuple[Parameterization | Sums, ...] = (
    SunSky(),
    SH(order=2),
    SH(order=4),
    SG(lobes=16),
    Direct(),
)
"""From the fewest numbers to the most."""

HELD_OUT = 0.1
AUTO = "auto"

_LOGGER = logging.getLogger(__name__)


def check_parameterization(choice: Parameterization | Sums | str) -> None:
    """Refuse what only Adam can solve for.

    Raises:
        InputError: if it is neither "auto", nor the texels, nor of few numbers.
    """
    if isinstance(choice, Direct) or hasattr(choice, "family") or choice == AUTO:
        return
    found = repr(choice) if isinstance(choice, str) else type(choice).__name__
    raise InputError(
        f"parameterization: Transport solves for Direct, SH, SG, SunSky or 'auto'; found {found}, "
        "which is for Adam"
    )


def settled(
    choice: Parameterization | Sums | str,
    settings: Settings,
    problem: Problem,
    transport: LightTransport,
    seed: int,
) -> Parameterization | Sums:
    """The parameterization, or the one that `chosen` finds if it is "auto"."""
    if not isinstance(choice, str):
        return choice
    found = chosen(settings, problem, transport, seed=seed)
    _LOGGER.info("parameterization: %s", found)
    return found


def chosen(
    settings: Settings, problem: Problem, transport: LightTransport, *, seed: int
) -> Parameterization | Sums:
    """The parameterization that predicts pixels best that it did not see.

    A tenth of the pixels is held out. Of the candidates the one with the fewest numbers is taken
    that predicts them with a loss within a standard error of the least (Breiman et al. 1984). Sun
    and sky are among them if the map of texels looks like these.
    """
    random = np.random.default_rng(seed)
    splits = [split(view, HELD_OUT, random) for view in problem.views]
    fitted, measured = (tuple(views) for views in zip(*splits, strict=True))
    part, losses, is_outdoors = replace(problem, views=fitted), {}, False
    with stage("Comparing parameterizations", len(CANDIDATES)) as comparing:
        for number, candidate in enumerate(reversed(CANDIDATES)):
            if isinstance(candidate, SunSky) and not is_outdoors:
                continue
            comparing.advance(number, str(candidate))
            family = family_of(candidate, transport)
            solver = (
                LeastSquares(settings, part, transport)
                if family is None
                else FewNumbers(settings, part, transport, family)
            )
            solver.run()
            losses[candidate] = measured_losses(solver, measured)
            if isinstance(solver, LeastSquares):
                is_outdoors = sun_and_sky(solver.as_map(solver.texels)).is_outdoors
        found: Parameterization | Sums = _best(losses)
        comparing.advance(len(CANDIDATES), line=f"{found} predicts unseen pixels best")
    return found


def _best(losses: Mapping[Any, NDArray[Any]]) -> Any:
    """The first of the candidates that is about as good as the best."""
    best = min(losses.values(), key=lambda each: float(np.mean(each)))
    return next(
        candidate
        for candidate in CANDIDATES
        if candidate in losses and not _is_worse(losses[candidate], best)
    )


def family_of(choice: Any, transport: LightTransport) -> Family | None:
    """The maps of a parameterization of few numbers; None for texels."""
    family: Callable[..., Family] | None = getattr(choice, "family", None)
    return None if family is None else family(transport.resolution)


def _is_worse(losses: NDArray[Any], best: NDArray[Any]) -> bool:
    """Whether the mean of a pixel's losses is larger by more than its standard error."""
    excess = losses - best
    return bool(np.mean(excess) > np.std(excess) / np.sqrt(len(excess)))
