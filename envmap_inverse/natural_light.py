"""What environment maps look like before a picture is seen: Gaussian log radiance on the sphere.

The figures were measured on 28 panoramas of Poly Haven (CC0), indoors and outdoors, of 256 x 128
texels: the logarithm of luminance over its mean, cut at 0.001.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from envmap_inverse.sphere import latlong
from envmap_inverse.system.arrays import constants

__all__ = ["colour_root", "filled", "filled_light", "spectrum"]

_DEGREES = np.array([1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48])
_POWERS = np.array([1.76, 0.70, 0.157, 0.152, 0.058, 0.026, 0.0088, 0.0051, 0.0019, 0.0010, 0.0004])
_SLOPE = -2.4
"""Of log power by log degree beyond the last one."""

_LEVEL = 1.2
"""Standard deviation of the logarithm of a whole map's level."""

_DEVIATION, _RED, _BLUE = 1.2, 0.27, 0.35
"""Standard deviations of log luminance, and of log R/G and B/G."""


def spectrum(degree: int) -> NDArray[np.float64]:
    """Power C_l of log radiance, the variance of each real harmonic, for l from 0 to a degree."""
    degrees = np.arange(1, degree + 1)
    inner = np.exp(np.interp(np.log(degrees), np.log(_DEGREES), np.log(_POWERS)))
    outer = _POWERS[-1] * (degrees / _DEGREES[-1]) ** _SLOPE
    powers = np.where(degrees <= _DEGREES[-1], inner, outer)
    return np.concatenate([[4 * np.pi * _LEVEL**2], powers])


def colour_root() -> NDArray[np.float32]:
    """A square root, shape (3, 3), of the covariance of the channels over that of one of them."""
    covariance = np.ones((3, 3)) + np.diag([_RED, 0.01, _BLUE]) ** 2 / _DEVIATION**2
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(values)) @ vectors.T, np.float32)


def filled_light(
    light: NDArray[np.float32], mean: NDArray[np.float32], is_known: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Replace unknown texels of radiance, as `filled` does those of its logarithm.

    Args:
        light: shape (H, W, 3).
        mean: what is to be expected if nothing is known, in the same shape.
        is_known: shape (H, W).
    """
    logs, expected = (np.log(np.maximum(each, np.float32(1e-6))) for each in (light, mean))
    fill = np.exp(filled(logs, expected, is_known))
    return np.where(is_known[:, :, None], light, fill)


def filled(
    maps: NDArray[np.float32], mean: NDArray[np.float32], is_known: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Replace unknown texels of log radiance by what is to be expected from the known ones.

    The measured power falls about as 1 / (l (l + 1)), which is that of a Gaussian Markov random
    field with the energy |grad u|^2 (Lindgren et al. 2011): unknown texels, less their mean, are
    harmonic.

    Args:
        maps: log radiance, shape (H, W, channels).
        mean: what is to be expected if nothing is known, in the same shape.
        is_known: shape (H, W).
    """
    from scipy.sparse import linalg  # noqa: PLC0415 - takes a while to load

    if is_known.all() or not is_known.any():
        return maps if is_known.any() else mean
    first, second, ties = constants(latlong.sphere_edges, *is_known.shape, beside=maps)
    known = is_known.ravel()
    size = known.size
    touches = ~(known[first] & known[second])
    first, second, ties = first[touches], second[touches], ties[touches]
    number = np.cumsum(~known) - 1  # among the unknown ones
    ends = np.concatenate([first, second]), np.concatenate([second, first])
    is_row = ~known[ends[0]]
    entries = np.tile(ties, 2)[is_row], (number[ends[0][is_row]], ends[1][is_row])
    rows = sparse.csr_matrix(entries, (int(number[-1]) + 1, size))
    degree = np.asarray(rows.sum(axis=1)).ravel()
    matrix = sparse.diags(degree) - rows[:, ~known]
    away = (maps - mean).reshape(size, -1)
    found = away.copy()
    known_light = np.where(known[:, None], away, 0)
    found[~known] = linalg.splu(matrix.tocsc()).solve(np.asarray(rows @ known_light))
    return np.asarray(found.reshape(maps.shape) + mean, np.float32)
