"""Find how far the light is."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.backend.exclusive import exclusive
from envmap_inverse.errors import InputError
from envmap_inverse.losses import QuasiLikelihood
from envmap_inverse.optimizers.held_out import measured_losses, split
from envmap_inverse.optimizers.least_squares.solver import LeastSquares
from envmap_inverse.optimizers.recorded import recorded
from envmap_inverse.optimizers.transport import Transport
from envmap_inverse.problem.fitting import fit_films
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.view import ViewLike, as_views
from envmap_inverse.scene.near import NearSphere
from envmap_inverse.scene.scene import Scene

__all__ = ["Distance", "find_distance", "found_distance"]

HELD_OUT = 0.25
SPP = 16
NEAREST, STEPS, HALVINGS = 1.15, 5, 4
"""Least distance in radii of the scene, steps from there to infinity, even in its inverse, and how
often the step is halved round the best."""

FINE = 5
"""Least losses through which the last parabola is laid; noise of the recordings rules closer by."""

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Distance:
    """How far the light is, by how well pixels are predicted that a map did not see.

    Attributes:
        surroundings: the sphere that predicts them best; None if no sphere is better than light
            infinitely far by more than a standard error.
        radii: those that were tried, infinity included.
        losses: mean loss of the pixels held out, by radius.
        gain: by how much the best sphere's loss is lower, over its standard error.

    Example:
        >>> found: ei.Distance = ei.find_distance(scene, image)
        >>> len(found.radii) == len(found.losses)
        True
    """

    surroundings: NearSphere | None
    radii: tuple[float, ...]
    losses: tuple[float, ...]
    gain: float


@exclusive
def find_distance(scene: Scene, views: ViewLike | Sequence[ViewLike]) -> Distance:
    """Find the radius of the sphere on which the light stands.

    For each of a few radii the light transport is recorded, and a map is solved for without a
    quarter of the pixels. The one that predicts these with the least loss is taken. Where objects
    are small beside the distance, or a single picture shows few of them, all radii explain it
    alike, and the light counts as infinitely far.

    Args:
        scene: its surroundings are put back in place.
        views: see `estimate`.

    Raises:
        InputError: if the scene cannot be recorded, or an exposure is not known.

    Example:
        >>> found: ei.Distance = ei.find_distance(scene, image)
        >>> len(found.radii) == len(found.losses)
        True
    """
    optimizer = Transport()
    fitted = fit_films(scene, as_views(views, QuasiLikelihood()), is_size_kept=True)
    problem = Problem.create(
        scene, fitted, loss=optimizer.default_loss, priors=optimizer.default_priors
    )
    return found_distance(problem)


def found_distance(problem: Problem) -> Distance:
    """See `find_distance`."""
    if not all(view.knows_exposure for view in problem.views):
        raise InputError("distance: the exposures must be known to find it; give a number")
    scene, before = problem.scene, problem.scene.surroundings
    box = scene.mi_scene.bbox()
    radius = float(np.linalg.norm(np.array(box.max) - np.array(box.min)) / 2)
    random = np.random.default_rng(0)
    splits = [split(view, HELD_OUT, random) for view in problem.views]
    parts, measured = (tuple(views) for views in zip(*splits, strict=True))
    part = replace(problem, views=parts)

    def losses_at(inverse: float) -> NDArray[Any]:
        scene.surroundings = _sphere(inverse)
        solver = LeastSquares(Transport(), part, recorded(problem, spp=SPP, seed=0))
        solver.run()
        return measured_losses(solver, measured)

    nearest = 1 / (NEAREST * radius)
    step = nearest / STEPS
    try:
        found = {k * step: losses_at(k * step) for k in range(STEPS + 1)}
        for _ in range(HALVINGS):
            step /= 2
            best = min(found, key=lambda inverse: float(np.mean(found[inverse])))
            for inverse in (best - step, best + step):
                if 0 < inverse <= nearest and inverse not in found:
                    found[inverse] = losses_at(inverse)
        between = _lowest(found)
        if between is not None:
            found[between] = losses_at(between)
    finally:
        scene.surroundings = before
    return _best(found)


def _best(found: dict[float, NDArray[Any]]) -> Distance:
    """The sphere of least loss, if it is clearly better than light infinitely far."""
    best = min(found, key=lambda inverse: float(np.mean(found[inverse])))
    excess = found[0.0] - found[best]
    error = float(np.std(excess)) / len(excess) ** 0.5
    gain = float(np.mean(excess)) / error if error > 0 else 0.0
    order = sorted(found, reverse=True)
    distance = Distance(
        surroundings=_sphere(best) if gain > 1 else None,
        radii=tuple(1 / inverse if inverse > 0 else math.inf for inverse in order),
        losses=tuple(float(np.mean(found[inverse])) for inverse in order),
        gain=gain,
    )
    _LOGGER.info("%s", distance)
    return distance


def _lowest(found: dict[float, NDArray[Any]]) -> float | None:
    """Where a parabola through the least losses is lowest; None if not between them."""
    nearest = sorted(found, key=lambda inverse: float(np.mean(found[inverse])))[:FINE]
    curve = np.polyfit(nearest, [float(np.mean(found[inverse])) for inverse in nearest], 2)
    if not curve[0] > 0:
        return None
    place = float(-curve[1] / (2 * curve[0]))
    return place if min(nearest) < place < max(nearest) and place not in found else None


def _sphere(inverse: float) -> NearSphere | None:
    return NearSphere(radius=1 / inverse) if inverse > 0 else None
