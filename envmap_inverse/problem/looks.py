"""What the pictures of a mirror ball show of the light, by direction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.problem.cutting import part_of
from envmap_inverse.problem.registration import log_light
from envmap_inverse.problem.view import View
from envmap_inverse.scene.ball import BallShot
from envmap_inverse.sphere.latlong import texel_directions
from envmap_inverse.sphere.turns import Look

__all__ = ["look_of"]

HEIGHT = 128
"""Rows of the latlong map of directions."""


def look_of(views: Sequence[View], shots: Sequence[BallShot], left_out: float) -> Look:
    """The grey light that pictures of a ball from one side show, in the map's axes.

    Exposures are merged where they are known; else the picture that tells most stands for all.
    Directions count less towards the rim, where the ball crowds them.

    Args:
        views: whole pictures; the sensor of each is the number of its shot.
        shots: the ball in the pictures.
        left_out: degrees from the camera within which nothing counts.
    """
    told = [(view, *log_light(part_of(view, shots[view.sensor].window))) for view in views]
    if not all(view.knows_exposure for view in views):
        told = [max(told, key=lambda each: np.count_nonzero(each[2]))]
    directions = texel_directions(HEIGHT, 2 * HEIGHT)
    total = light = weights = np.zeros(directions.shape[:2])
    for view, log, counts in told:
        shot = shots[view.sensor]
        exposure = float(np.mean(view.exposure)) if view.knows_exposure else 1.0  # type: ignore[arg-type]
        x, y, cosine = shot.mirrored(directions)
        counted = counts * shot.mask(left_out)
        share = _sampled(counted, x, y)
        light = light + _sampled(counted * np.exp(log), x, y)  # of so much exposure
        total = total + exposure * share
        weights = np.maximum(weights, share * np.maximum(cosine, 0) ** 2)
    is_seen = total > 0
    mean = np.where(is_seen, light / np.where(is_seen, total, 1), 1)
    return Look(log=np.log(mean), weights=np.where(is_seen, weights, 0))


def _sampled(
    image: NDArray[np.floating], x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Bilinear values at places in pixels from the corner, 0 outside."""
    from scipy import ndimage  # noqa: PLC0415 - takes a while to load

    return np.asarray(
        ndimage.map_coordinates(image, [y - 0.5, x - 0.5], np.float64, order=1, cval=0)
    )
