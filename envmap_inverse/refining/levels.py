"""Small films and maps, on which a search is fast."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import numpy as np

from envmap_inverse.priors import with_factor
from envmap_inverse.problem.fitting import resized
from envmap_inverse.problem.problem import Problem
from envmap_inverse.scene.films import keeping_film, scaled_size
from envmap_inverse.sphere.latlong import resample

__all__ = ["at_side", "sides_of"]

COARSEST = 32
Size = tuple[int, int]


def sides_of(problem: Problem, largest: int) -> list[int]:
    """Longer sides of the films to search on, from coarse to fine, each about twice the last."""
    whole = max(max(view.image.shape[:2]) for view in problem.views)
    side = min(whole, largest)
    found = [side]
    while found[-1] // 2 >= COARSEST:
        found.append(found[-1] // 2)
    return found[::-1]


@contextmanager
def at_side(problem: Problem, side: int) -> Iterator[Problem]:
    """A problem with pictures averaged down to such a side, and with a map that suits them.

    Films and map of the scene follow, and are as before when the context ends.
    """
    scene, envmap = problem.scene, problem.scene.envmap
    width, height = envmap.resolution
    shrink = min(1.0, 2 * side / width)
    size = max(round(shrink * height), 8), max(round(shrink * width), 16)
    initial = resample(problem.initial, *size).astype(np.float32)
    with ExitStack() as held:
        for sensor in sorted({view.sensor for view in problem.views}):
            held.enter_context(keeping_film(scene.sensor(sensor)))
            scene.set_film_size(_like(scene.film_size(sensor), side), sensor)
        held.enter_context(envmap.holding(initial))
        yield replace(
            problem,
            views=tuple(resized(v, *scene.film_size(v.sensor)) for v in problem.views),
            priors=tuple(with_factor(prior, 1.0) for prior in problem.priors),
            initial=initial,
            ground_truth=None,
        )


def _like(size: Size, side: int) -> Size:
    """The size of about this longer side that is truest to the aspect of another."""
    if max(size) <= side:
        return size
    candidates = [scaled_size(size, longer) for longer in range(side, int(0.84 * side), -1)]
    return min(
        candidates, key=lambda found: abs(found[0] * size[1] - found[1] * size[0]) / found[0]
    )
