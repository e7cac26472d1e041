"""How bright lights are that a mirror ball shows clipped, by a grey ball beside it.

Light that the mirror shows unclipped is taken as it is. Each patch of pixels in which even the
shortest exposure is clipped is as much brighter as lets the grey ball have its values under
Lambert's law, by least squares without negative lights (Lawson and Hanson, "Solving least squares
problems", 1974).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.problem.view import View
from envmap_inverse.scene.ball import BallShot
from envmap_inverse.sphere.latlong import texel_directions, texel_solid_angles

__all__ = ["with_clipped_lights"]

HEIGHT = 64
"""Rows of the map of the light that is not clipped."""

NEARLY = 0.1
"""Width, in radii of a grey ball, of what counts as showing it in the mirror."""

MAX_PATCHES = 16
"""Clipped patches that have a brightness each; the smallest ones share the last."""

MAX_PIXELS = 1000
"""Pixels of the grey ball that are fitted, of more every second, third, ..."""

Array = NDArray[np.float64]


def with_clipped_lights(
    views: Sequence[View], shots: Sequence[BallShot], *, mirror: float, grey: float
) -> list[View]:
    """Views of the mirror in which clipped lights are as bright as the grey ball says.

    Args:
        views: the parts of pictures that show the balls; the sensor of each is its shot's number.
        shots: the balls in the pictures.
        mirror: share of the light that the mirror reflects.
        grey: share of the light that the grey ball reflects.

    Returns:
        The views without the grey ball, also where the mirror shows it, as too few paths from there
        meet a sun; clipped as they are if too little is known.
    """
    kept = [shot.on_mirror() & ~_mirrors_grey(shot) for shot in shots]
    made = [replace(view, mask=view.mask * kept[view.sensor].astype(np.float32)) for view in views]
    normals, values = _on_grey(views, shots)
    if not all(view.knows_exposure for view in views) or not len(normals):
        return made
    shortest = min(range(len(made)), key=lambda k: _exposure(made[k]))
    view, shot = made[shortest], shots[made[shortest].sensor]
    is_clipped = view.is_over & (view.mask > 0)[:, :, None]
    patches = _patches(np.any(is_clipped, axis=2))
    if not patches.max():
        return made
    exposure = np.broadcast_to(np.asarray(view.exposure, np.float64), 3)
    scale, is_lit = grey / mirror, patches > 0
    directions, solid_angles = shot.reflected(), _solid_angles(shot.reflected())
    bound: Array = view.image[is_lit] / exposure
    shown = _lambert(normals, directions[is_lit], solid_angles[is_lit], bound)
    lacking = values - scale * (_lambert(normals, *_unclipped(made, shots)) + shown)
    image = view.image.copy()
    for channel in range(3):
        own = np.where(is_clipped[:, :, channel], patches, 0)
        by_patch = [
            scale * _lambert(normals, directions[own == number], solid_angles[own == number])
            for number in range(1, patches.max() + 1)
        ]
        added = _fitted(np.concatenate(by_patch, axis=1), lacking[:, channel])
        image[:, :, channel] += exposure[channel] * np.concatenate([[0.0], added])[own]
    made[shortest] = replace(
        view, image=image.astype(np.float32), white=None, over=view.is_over & ~is_clipped
    )
    return made


def _mirrors_grey(shot: BallShot) -> NDArray[np.bool_]:
    """Which pixels of the window show the grey ball in the mirror, or nearly so."""
    beside = shot.beside()
    points, directions = shot.normals(), shot.reflected()
    if beside is None:
        return np.zeros(points.shape[:2], bool)
    centre, radius = beside
    ahead = np.sum((centre - points) * directions, axis=-1, keepdims=True)
    missed = np.linalg.norm(points + ahead * directions - centre, axis=-1)
    return np.asarray((ahead[..., 0] > 0) & (missed < (1 + NEARLY) * radius))


def _fitted(by_patch: Array, lacking: Array) -> Array:
    """What each patch adds, (patches,)."""
    from scipy.optimize import nnls  # noqa: PLC0415 - takes a while to load

    return np.asarray(nnls(by_patch, lacking)[0])


def _lambert(
    normals: Array, directions: Array, solid_angles: Array, light: Array | float = 1.0
) -> Array:
    """Radiance of a white diffuse ball at normals, (n, channels)."""
    cosines = np.maximum(normals @ directions.T, 0)
    return np.asarray(cosines @ (solid_angles[:, None] * light) / np.pi)


def _solid_angles(directions: Array) -> Array:
    """Steradians of the pixels that show directions, shape (h, w, 3)."""
    down, across = np.gradient(directions, axis=(0, 1))
    return np.asarray(abs(np.sum(directions * np.cross(down, across), axis=-1)))


def _unclipped(views: Sequence[View], shots: Sequence[BallShot]) -> tuple[Array, Array, Array]:
    """Directions, solid angles and values of the light that is not clipped in all pictures."""
    directions = texel_directions(HEIGHT, 2 * HEIGHT)
    light = np.zeros(directions.shape)
    total, is_bound = np.zeros(directions.shape[:2]), np.zeros(directions.shape[:2], bool)
    for view in views:
        x, y, cosine = shots[view.sensor].mirrored(directions)
        row = np.clip(y, 0, len(view.image) - 1).astype(int)
        column = np.clip(x, 0, view.image.shape[1] - 1).astype(int)
        is_over = view.is_over[row, column].any(axis=-1)
        counts = (view.mask[row, column] > 0) & (cosine > 0)
        weight = (counts & ~is_over) * _exposure(view)
        light += weight[:, :, None] * view.image[row, column] / np.asarray(view.exposure)
        total += weight
        is_bound |= counts & is_over
    is_seen = total > 0
    light[is_seen] /= total[is_seen][:, None]
    if is_seen.any():
        light[~is_seen & ~is_bound] = np.median(light[is_seen], axis=0)
    solid_angles = texel_solid_angles(HEIGHT, 2 * HEIGHT)
    return directions.reshape(-1, 3), solid_angles.ravel(), light.reshape(-1, 3)


def _exposure(view: View) -> float:
    return float(np.mean(view.exposure))  # type: ignore[arg-type]


def _patches(is_clipped: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Number of the patch of each pixel from 1 on, 0 where nothing is clipped."""
    from scipy import ndimage  # noqa: PLC0415 - takes a while to load

    labels, count = ndimage.label(is_clipped, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    ranks = np.zeros(count + 1, np.intp)
    ranks[1 + np.argsort(-sizes)] = np.minimum(np.arange(count) + 1, MAX_PATCHES)
    return np.asarray(ranks[labels])


def _on_grey(views: Sequence[View], shots: Sequence[BallShot]) -> tuple[Array, Array]:
    """Normals and radiance of the grey ball's pixels that are not clipped, (n, 3) each."""
    normals, values = [np.zeros((0, 3))], [np.zeros((0, 3))]
    for view in views:
        shown = shots[view.sensor].on_grey()
        if shown is not None and view.knows_exposure:
            is_whole = ~(view.is_over | view.is_under).any(axis=2) & (view.mask > 0)
            counts = shown[0] & is_whole
            normals.append(shown[1][counts])
            values.append(view.image[counts] / np.asarray(view.exposure))
    step = max(1, sum(map(len, normals)) // MAX_PIXELS)
    return np.concatenate(normals)[::step], np.concatenate(values)[::step]
