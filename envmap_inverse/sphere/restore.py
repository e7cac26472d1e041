"""Find the latlong map that a picture of all directions shows, with its detail. NumPy and SciPy.

`reproject` takes the mean over each pixel, so going there and back blurs twice, whatever the sizes.
Here the way back is solved for instead.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from envmap_inverse.sphere.projections import Latlong, Projection
from envmap_inverse.sphere.reproject import IDENTITY, footprints, reproject

__all__ = ["MAX_PIXELS", "can_restore", "restore"]

MAX_PIXELS = 2**24
"""Largest picture that `restore` accepts; its matrix needs some 70 bytes per pixel."""

NUM_STEPS = 80


def can_restore(source: Projection, target: Projection) -> bool:
    """Whether a picture shows the texels of a map closely enough to solve for them."""
    return (
        isinstance(target, Latlong)
        and not isinstance(source, Latlong)
        and target.width >= source.detail
        and source.height * source.width <= MAX_PIXELS
    )


def restore(
    image: ArrayLike, source: Projection, target: Latlong, matrix: ArrayLike = IDENTITY
) -> tuple[NDArray[np.float32], float]:
    """Find the map whose picture, made by `reproject`, is nearest to a given one.

    With A x the picture that `reproject` makes of a map x and W the pixels' steradians, minimizes
    (A x - image)^T W (A x - image) over maps x >= 0 (of any sign if the image has negative values)
    by accelerated projected gradient steps (FISTA, Beck and Teboulle 2009) scaled by the row sums
    of A^T W A, starting from the map that `reproject` makes from the image. Where no map fits, as
    beside a lamp smaller than a texel, the result has too much light: use `reproject` then.

    Args:
        image: shape (source.height, source.width, 3), finite.
        source: the image's projection.
        target: the map wanted, about `source.detail` texels wide or more.
        matrix: the turn of the light; see `rotation`.

    Returns:
        The map, shape (target.height, target.width, 3), and the share of the image that it does not
        explain, the root mean square of A x - image over the sphere relative to the image's.
    """
    array, turn = np.asarray(image, np.float32), np.asarray(matrix, np.float64)
    weighted, picture = _system(source, target, turn)
    values = array.reshape(-1, 3)
    lowest = np.float32(0 if values.min() >= 0 else -np.inf)
    texels = reproject(array, source, target, turn).reshape(-1, 3)
    scale = 1 / np.maximum(weighted @ np.asarray(picture.sum(axis=1), np.float32), 1e-12)
    ahead, momentum = texels, 1.0
    for _ in range(NUM_STEPS):
        step = scale * (weighted @ (picture @ ahead - values))
        moved = np.maximum(ahead - step, lowest)
        faster = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead = moved + np.float32((momentum - 1) / faster) * (moved - texels)
        texels, momentum = moved, faster
    shares = np.asarray(weighted.sum(axis=0)).ravel()
    left = np.sum(shares[:, None] * (picture @ texels - values) ** 2, dtype=np.float64)
    whole = np.sum(shares[:, None] * values**2, dtype=np.float64)
    shape = target.height, target.width, 3
    return texels.reshape(shape), float(np.sqrt(left / whole)) if whole > 0 else 0.0


def _system(source: Projection, target: Latlong, turn: NDArray[np.float64]) -> tuple[Any, Any]:
    """A^T W and A; A (pixels, texels) maps texels to `reproject`'s picture, W are steradians."""
    shape = (source.height * source.width, target.height * target.width)
    parts, steradians = [], np.zeros(shape[0], np.float32)
    for pixels, directions, weights in footprints(source, target.pitch):
        total = weights.sum(axis=1)
        steradians[pixels] = weights.mean(axis=1)
        index, shares = target.taps(directions @ turn.T)
        shares = shares * (weights / np.maximum(total, 1e-300)[:, None])
        pixel = np.broadcast_to(np.arange(len(pixels))[:, None], index.shape)
        block = sparse.csr_matrix(
            (shares.astype(np.float32).ravel(), (pixel.ravel(), index.ravel())),
            (len(pixels), shape[1]),
        ).tocoo()
        parts.append((block.data, pixels[block.row].astype(np.int32), block.col.astype(np.int32)))
    data, rows, columns = (np.concatenate(part) for part in zip(*parts, strict=True))
    picture = sparse.csr_matrix((data, (rows, columns)), shape)
    return picture.T.multiply(steradians).tocsr(), picture
