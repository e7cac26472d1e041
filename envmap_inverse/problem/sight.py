"""Whether pictures can show anything of the environment map."""

from __future__ import annotations

import warnings
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.problem.problem import Problem
from envmap_inverse.scene.rendering import render

__all__ = ["check_sight"]

NUM_PATHS, MAX_SPP = 2**16, 64
"""So many paths, at least, look for the map."""


def check_sight(problem: Problem) -> None:
    """Check that light of the environment map reaches the pictures.

    A view that it does not reach is warned of.

    Raises:
        InputError: if it reaches none.
    """
    lit = cache(partial(_lit, problem))
    blind = [v for v in problem.views if not (lit(v.sensor) & (v.mask > 0)).any()]
    if len(blind) == len(problem.views):
        sensors = ", ".join(str(view.sensor) for view in blind)
        raise InputError(
            f"no light of the environment map reaches the pictures (sensor {sensors}): the scene "
            "hides the map from them; is the sensor inside an object or a closed room, or does a "
            "mask leave nothing that is lit?"
        )
    for view in blind:
        warnings.warn(
            f"{view.name}: no light of the environment map reaches sensor {view.sensor}; the "
            "picture says nothing about it",
            stacklevel=2,
        )


def _lit(problem: Problem, sensor: int) -> NDArray[np.bool_]:
    """The pixels of a sensor that the map lights, shape (h, w)."""
    scene = problem.scene
    width, height = scene.film_size(sensor)
    spp = int(np.clip(NUM_PATHS // (width * height), 1, MAX_SPP))
    white = np.ones_like(problem.initial)
    image = render(scene, white, spp=spp, sensor=sensor)
    if len(scene.mi_scene.emitters()) > 1:
        # The same paths under a brighter map: what other emitters add is the same, bit by bit.
        image = image - render(scene, 2 * white, spp=spp, sensor=sensor)
    return np.asarray(image.any(axis=2))
