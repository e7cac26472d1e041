"""Show an image of all directions in another projection, size or orientation. NumPy only."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.sphere import latlong
from envmap_inverse.sphere.projections import Latlong, Projection

__all__ = ["IDENTITY", "footprints", "reproject", "rotation"]

Array = NDArray[np.float64]

MAX_SAMPLES_PER_SIDE = 64
CHUNK = 2**18
"""Look-ups at a time; some 300 bytes each."""

IDENTITY = ((1, 0, 0), (0, 1, 0), (0, 0, 1))


def rotation(*turns: tuple[str, float]) -> Array:
    """The matrix of turns about the axes of our frame, applied in the given order.

    Args:
        turns: pairs of an axis, "x", "y" or "z", and degrees, counter-clockwise seen against the
            axis, as Mitsuba's `<rotate>`.

    Returns:
        Shape (3, 3); light from direction d comes from `matrix @ d` afterwards.
    """
    matrix = np.eye(3)
    for axis, degrees in turns:
        cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
        turn = np.eye(3)
        turn[[first, second], [first, second]] = cosine
        turn[first, second], turn[second, first] = -sine, sine
        matrix = turn @ matrix
    return matrix


def reproject(
    image: ArrayLike,
    source: Projection,
    target: Projection,
    matrix: ArrayLike = IDENTITY,
) -> NDArray[np.float32]:
    """Show an image of all directions in another projection or size, and turned.

    A pixel is the mean, by solid angle, of bilinear look-ups all over it, at most half a source
    pixel apart. The integral over the sphere is kept to some 2 % where a single pixel outshines the
    rest, and much better elsewhere. From latlong to latlong, turned about y or not, it is kept
    exactly (`latlong.resample`); a turn by whole columns at an unchanged size only moves values.

    Args:
        image: shape (source.height, source.width, 3).
        source: the image's projection.
        target: the projection to show it in.
        matrix: the turn of the light; see `rotation`.

    Returns:
        Shape (target.height, target.width, 3); 0 where the target holds nothing.
    """
    array, turn = np.asarray(image, np.float32), np.asarray(matrix, np.float64)
    if isinstance(source, Latlong) and isinstance(target, Latlong) and abs(turn[1, 1] - 1) < 1e-12:
        return _between_latlongs(array, source, target, turn)
    look_up = source.look_up(array)
    result = np.zeros((target.height * target.width, 3), np.float32)
    for pixels, directions, weights in footprints(target, source.pitch):
        sums = np.einsum("ps,psc->pc", weights, look_up(directions @ turn))
        result[pixels] = sums / np.maximum(weights.sum(axis=1), 1e-300)[:, None]
    return result.reshape(target.height, target.width, 3)


def footprints(
    projection: Projection, pitch: float
) -> Iterator[tuple[NDArray[np.intp], Array, Array]]:
    """Points all over each pixel of an image, at most half a pitch (radians) apart.

    Yields:
        The numbers row * width + column of some pixels, shape (p,); the directions of n points in
        each, (p, n, 3); and the points' weights, steradians per pixel area, (p, n).
    """
    shape = projection.height, projection.width
    y, x = (grid.ravel().astype(np.float64) for grid in np.indices(shape))
    sides = _samples_per_side(projection, pitch, x, y)
    for side in np.unique(sides):
        offsets = (np.arange(side) + 0.5) / side - 0.5
        dx, dy = (grid.ravel() for grid in np.meshgrid(offsets, offsets))
        chosen = np.flatnonzero(sides == side)
        for part in np.array_split(chosen, -(-chosen.size * side**2 // CHUNK)):
            where = x[part, None] + dx, y[part, None] + dy
            yield part, projection.directions(*where), projection.density(*where)


def _samples_per_side(target: Projection, pitch: float, x: Array, y: Array) -> NDArray[np.int64]:
    """Number of look-ups across each pixel, from 2 to 64, at most half a pitch apart."""
    quarter = 0.25
    beside = (x - quarter, y), (x + quarter, y), (x, y - quarter), (x, y + quarter)
    left, right, above, below = (target.directions(*where) for where in beside)
    half_sizes = np.linalg.norm([right - left, below - above], axis=-1).max(axis=0)
    is_inside = np.any([target.density(*where) > 0 for where in beside], axis=0)
    wanted = np.where(is_inside, np.ceil(4 * half_sizes / pitch - 1e-9), 0)
    return np.clip(wanted, 2, MAX_SAMPLES_PER_SIDE).astype(np.int64)


def _between_latlongs(
    image: NDArray[np.float32], source: Latlong, target: Latlong, turn: Array
) -> NDArray[np.float32]:
    """Turn about y by linear interpolation, then resample."""
    turns = target.offset - source.offset - np.arctan2(turn[0, 2], turn[0, 0]) / (2 * np.pi)
    columns = np.round(turns * source.width, 9)
    whole = int(np.floor(columns))
    part = np.float32(columns - whole)
    turned = np.roll(image, whole, axis=1)
    if part:
        turned = (1 - part) * turned + part * np.roll(turned, 1, axis=1)
    size = target.height, target.width
    if size == (source.height, source.width) and source.rows == target.rows:
        return turned
    resampled = latlong.resample(turned, *size, rows=source.rows, to_rows=target.rows)
    return np.asarray(resampled, np.float32)
