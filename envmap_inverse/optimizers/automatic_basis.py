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

__all__ = ["check_parameterization", "chosen_basis"]

CANDIDATES = (SH(order=2), SH(order=4), SG(lobes=16), Direct())
"""From the fewest numbers to the most."""

HELD_OUT = 0.1

_LOGGER = logging.getLogger(__name__)


def check_parameterization(choice: Parameterization | str) -> None:
    """Refuse what only Adam can solve for.

    Raises:
        InputError: if it is neither "auto", nor the texels, nor a sum of given maps.
    """
    if isinstance(choice, Direct) or hasattr(choice, "basis") or choice == "auto":
        return
    found = repr(choice) if isinstance(choice, str) else type(choice).__name__
    raise InputError(
        f"parameterization: Transport solves for Direct, SH, SG or 'auto'; found {found}, "
        "which is for Adam"
    )


def chosen_basis(
    settings: Settings,
    problem: Problem,
    transport: LightTransport,
    choice: Parameterization | str,
    seed: int,
) -> Basis | None:
    """The basis of a parameterization; None for texels.

    For "auto" a tenth of the pixels is held out. Of the candidates the one with the fewest numbers
    is taken that predicts them with a loss within a standard error of the least (the rule of one
    standard error, Breiman et al. 1984).
    """
    if choice != "auto":
        return _basis_of(choice, transport)
    random = np.random.default_rng(seed)
    splits = [split(view, HELD_OUT, random) for view in problem.views]
    fitted, measured = (tuple(views) for views in zip(*splits, strict=True))
    losses = []
    for candidate in CANDIDATES:
        basis, part = _basis_of(candidate, transport), replace(problem, views=fitted)
        solver = (
            LeastSquares(settings, part, transport)
            if basis is None
            else FewNumbers(settings, part, transport, basis)
        )
        solver.run()
        losses.append(measured_losses(solver, measured))
    best = losses[int(np.argmin([np.mean(each) for each in losses]))]
    number = next(n for n, each in enumerate(losses) if not _is_worse(each, best))
    _LOGGER.info("parameterization: %s", CANDIDATES[number])
    return _basis_of(CANDIDATES[number], transport)


def _basis_of(choice: Any, transport: LightTransport) -> Basis | None:
    basis: Callable[..., Basis] | None = getattr(choice, "basis", None)
    return None if basis is None else basis(transport.resolution)


def _is_worse(losses: NDArray[Any], best: NDArray[Any]) -> bool:
    """Whether the mean of a pixel's losses is larger by more than its standard error."""
    excess = losses - best
    return bool(np.mean(excess) > np.std(excess) / np.sqrt(len(excess)))
