"""Choose the numbers to solve for: texels, or the coefficients of a basis."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.optimizers.held_out import measured_losses, split
from envmap_inverse.optimizers.least_squares.few_numbers import FewNumbers
from envmap_inverse.optimizers.least_squares.solver import LeastSquares, Settings
from envmap_inverse.parameterizations import SG, SH, Basis, Direct, Parameterization
from envmap_inverse.problem.problem import Problem
from envmap_inverse.recording.light_transport import LightTransport

__all__ = ["AUTO", "basis_of", "check_parameterization", "chosen"]

CANDIDATES: tuple[Parameterization, ...] = (SH(order=2), SH(order=4), SG(lobes=16), Direct())
"""From the fewest numbers to the most."""

HELD_OUT = 0.1
AUTO = "auto"

_LOGGER = logging.getLogger(__name__)


def check_parameterization(choice: Parameterization | str) -> None:
    """Refuse what only Adam can solve for.

    Raises:
        InputError: if it is neither "auto", nor the texels, nor a sum of given maps.
    """
    if isinstance(choice, Direct) or hasattr(choice, "basis") or choice == AUTO:
        return
    found = repr(choice) if isinstance(choice, str) else type(choice).__name__
    raise InputError(
        f"parameterization: Transport solves for Direct, SH, SG or 'auto'; found {found}, "
        "which is for Adam"
    )


def basis_of(
    choice: Parameterization | str,
    settings: Settings,
    problem: Problem,
    transport: LightTransport,
    seed: int,
) -> Basis | None:
    """The basis of a parameterization, or of the one that `chosen` finds; None for texels."""
    if choice == AUTO:
        choice = chosen(settings, problem, transport, seed=seed)
        _LOGGER.info("parameterization: %s", choice)
    return _basis(choice, transport)


def chosen(
    settings: Settings, problem: Problem, transport: LightTransport, *, seed: int
) -> Parameterization:
    """The parameterization that predicts pixels best that it did not see.

    A tenth of the pixels is held out. Of the candidates the one with the fewest numbers is taken
    that predicts them with a loss within a standard error of the least (Breiman et al. 1984).
    """
    random = np.random.default_rng(seed)
    splits = [split(view, HELD_OUT, random) for view in problem.views]
    fitted, measured = (tuple(views) for views in zip(*splits, strict=True))
    part, losses = replace(problem, views=fitted), []
    for candidate in CANDIDATES:
        basis = _basis(candidate, transport)
        solver = (
            LeastSquares(settings, part, transport)
            if basis is None
            else FewNumbers(settings, part, transport, basis)
        )
        solver.run()
        losses.append(measured_losses(solver, measured))
    best = losses[int(np.argmin([np.mean(each) for each in losses]))]
    return next(
        candidate
        for candidate, each in zip(CANDIDATES, losses, strict=True)
        if not _is_worse(each, best)
    )


def _basis(choice: Any, transport: LightTransport) -> Basis | None:
    basis: Callable[..., Basis] | None = getattr(choice, "basis", None)
    return None if basis is None else basis(transport.resolution)


def _is_worse(losses: NDArray[Any], best: NDArray[Any]) -> bool:
    """Whether the mean of a pixel's losses is larger by more than its standard error."""
    excess = losses - best
    return bool(np.mean(excess) > np.std(excess) / np.sqrt(len(excess)))
