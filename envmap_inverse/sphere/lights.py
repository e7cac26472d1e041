"""Find the lights of an environment map, and match the lights of two maps. No Mitsuba."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array

from envmap_inverse.sphere.latlong import angle_between, texel_directions

__all__ = ["Lights", "find_lights", "match_directions", "match_lights"]

CONTRAST = 3.0
"""A light is brighter than this many times the mean luminance."""

MIN_SHARE = 0.01
"""A light has at least this share of all luminance."""

MAX_ANGLE = 30.0
"""Largest angle, in degrees, between lights of two maps that can be the same light."""

LUMINANCE = (0.2126, 0.7152, 0.0722)
"""Weights of linear RGB with the primaries of ITU-R BT.709, which are also sRGB's."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Lights:
    """The lights of a map, the one with most energy first.

    Attributes:
        directions: unit vectors of their centres in the map's frame, shape (N, 3).
        shares: their shares of the map's energy, shape (N,).
        solid_angles: steradians that they subtend, shape (N,).
        irradiances: the integrals of their radiance: for a small light, W/m^2 of linear RGB on a
            surface that faces it, shape (N, 3).
    """

    directions: NDArray[np.float64]
    shares: NDArray[np.float64]
    solid_angles: NDArray[np.float64]
    irradiances: NDArray[np.float64]


def find_lights(
    texels: ArrayLike, solid_angles: ArrayLike, known: ArrayLike | None = None
) -> Lights:
    """Find the connected blobs of a map that are bright and hold much of the map's energy.

    A texel is bright if its luminance exceeds `CONTRAST` times the mean over the sphere; touching
    bright texels, corners included, make one blob, across the seam and over the poles too. A blob
    with at least `MIN_SHARE` of the map's energy (the integral of luminance) is a light; its
    direction is the mean of its texels' directions, weighted by their energy. A map without
    contrast has no light. A ring around the sphere has no direction and is not a light.

    Args:
        texels: shape (H, W, 3); negative values count as 0.
        solid_angles: steradians of each texel, shape (H, W); 0 leaves a texel out.
        known: the texels that count as known, shape (H, W): what has less than half of its energy
            in them is no light. None for all.

    Returns:
        The lights.
    """
    array, weights = (np.asarray(values, np.float64) for values in (texels, solid_angles))
    array = np.maximum(array, 0)
    luminance = array @ np.asarray(LUMINANCE)
    energy = luminance * weights
    total = max(energy.sum(), np.finfo(float).tiny)
    blobs = _blobs((energy > 0) & (luminance * weights.sum() > CONTRAST * total)).ravel()
    shares = np.bincount(blobs, energy.ravel())[1:] / total
    moments = texel_directions(*energy.shape).reshape(-1, 3) * energy.reshape(-1, 1) / total
    means = np.stack([np.bincount(blobs, moment)[1:] for moment in moments.T], axis=1)
    lengths = np.linalg.norm(means, axis=1)
    order = np.argsort(-shares)
    order = order[(shares[order] >= MIN_SHARE) & (lengths[order] > 1e-6 * shares[order])]
    if known is not None:
        of_known = np.bincount(blobs, (energy * np.asarray(known)).ravel())[1:] / total
        order = order[of_known[order] >= shares[order] / 2]
    sent = np.moveaxis(array * weights[:, :, None], 2, 0).reshape(3, -1)
    irradiances = np.stack([np.bincount(blobs, channel)[1:] for channel in sent], axis=1)
    return Lights(
        directions=means[order] / lengths[order, None],
        shares=shares[order],
        solid_angles=np.bincount(blobs, weights.ravel())[1:][order],
        irradiances=irradiances[order],
    )


def match_lights(first: Lights, second: Lights) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Pair the lights of two maps so that the sum of the angles is smallest.

    Lights further apart than `MAX_ANGLE` are not paired: leaving both alone costs as much as an
    angle of that size.

    Returns:
        (pairs, degrees): indices into the first and into the second map's lights, shape (M, 2), and
            the angle within each pair, shape (M,).
    """
    return match_directions(first.directions, second.directions)


def match_directions(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """`match_lights` of unit vectors, shapes (N, 3) and (M, 3)."""
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 - slow to import

    degrees = np.degrees(angle_between(first[:, None], second[None]))
    rows, columns = linear_sum_assignment(np.minimum(degrees, MAX_ANGLE))
    pairs = np.stack([rows, columns], axis=1)[degrees[rows, columns] < MAX_ANGLE]
    return pairs, degrees[pairs[:, 0], pairs[:, 1]]


def _blobs(bright: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Number of each texel's blob, from 1; 0 for texels that are not bright.

    All texels of a pole row are one point of the sphere, so they share a node of the graph.
    """
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 - slow to import

    height, width = bright.shape
    node = np.arange(height * width).reshape(height, width)
    node[0], node[-1] = node[0, 0], node[-1, 0]
    edges = []
    for down, right in ((0, 1), (1, -1), (1, 0), (1, 1)):
        above = slice(0, height - down)
        both = bright[above] & np.roll(bright, -right, axis=1)[down:]
        edges.append((node[above][both], np.roll(node, -right, axis=1)[down:][both]))
    first, second = (np.concatenate(ends) for ends in zip(*edges, strict=True))
    graph = coo_array((np.ones(first.size), (first, second)), (node.size, node.size))
    component = connected_components(graph, directed=False)[1][node]
    blobs = np.zeros(bright.shape, np.intp)
    blobs[bright] = 1 + np.unique(component[bright], return_inverse=True)[1]
    return blobs
