"""Choose the weights of priors by how well held-out pixels are predicted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from envmap_inverse.optimizers.held_out import measured_losses, split
from envmap_inverse.optimizers.least_squares.solver import LeastSquares, Settings
from envmap_inverse.priors import with_factor
from envmap_inverse.problem.problem import Problem
from envmap_inverse.recording.light_transport import LightTransport

__all__ = ["with_chosen_weights"]

HELD_OUT = 0.1
NUM_MEASURED, MAX_SPLITS = 256, 8
"""Small pictures are split several times, until so many pixels have been held out."""

FACTORS = (1 / 27, 1 / 9, 1 / 3, 1.0, 3.0, 9.0)


def with_chosen_weights(
    settings: Settings, problem: Problem, transport: LightTransport, seed: int
) -> Problem:
    """Return the problem with a number for each weight "auto".

    A tenth of the pixels is held out; of factors on the default weights, the one whose map
    predicts them with the least loss is taken.
    """
    if all(prior.weight != "auto" for prior in problem.priors):
        return problem
    random = np.random.default_rng(seed)
    num_pixels = sum(np.count_nonzero(view.weights[:, :, 0]) for view in problem.views)
    num_splits = int(np.clip(NUM_MEASURED / (HELD_OUT * num_pixels), 1, MAX_SPLITS))
    losses = np.zeros(len(FACTORS))
    for _ in range(num_splits):
        splits = [split(view, HELD_OUT, random) for view in problem.views]
        fitted, measured = (tuple(views) for views in zip(*splits, strict=True))
        for number, factor in enumerate(FACTORS):
            priors = tuple(with_factor(prior, factor) for prior in problem.priors)
            solver = LeastSquares(
                settings, replace(problem, views=fitted, priors=priors), transport
            )
            solver.run()
            losses[number] += float(np.sum(measured_losses(solver, measured)))
    best = FACTORS[int(np.argmin(losses))]
    return replace(problem, priors=tuple(with_factor(prior, best) for prior in problem.priors))
