"""A few paths, to know how a scene reflects light before it is recorded."""

from __future__ import annotations

import numpy as np

from envmap_inverse.optimizers.least_squares.smooth import is_blurred
from envmap_inverse.problem.problem import Problem
from envmap_inverse.recording.light_transport import LightTransport

__all__ = ["sees_blurred_light"]

MAX_VIEWS, NUM_PIXELS, SPP = 4, 1024, 32
"""Views, evenly spaced, pixels of all of them, chosen at random, and the paths of each."""


def sees_blurred_light(problem: Problem, seed: int) -> bool:
    """Whether a part of the pixels sees much of the sphere; see `is_blurred`.

    Args:
        problem: whose pictures are not looked at.
        seed: of the paths.
    """
    views = problem.views[:: -(-len(problem.views) // MAX_VIEWS)]
    generator, masks = np.random.default_rng(0), []
    for view in views:
        counting, mask = np.flatnonzero(view.mask), np.zeros(view.mask.shape, bool)
        number = min(NUM_PIXELS // len(views), len(counting))
        mask.flat[generator.choice(counting, number, replace=False)] = True
        masks.append(mask)
    sensors = [view.sensor for view in views]
    return is_blurred(
        LightTransport.record(problem.scene, sensors, masks=masks, spp=SPP, seed=seed)
    )
