"""Give a light of a recovered map the number of the true light that it is."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.sphere.lights import match_directions

__all__ = ["light_numbers"]


def light_numbers(
    directions: NDArray[np.float64], true_directions: NDArray[np.float64] | None
) -> list[int]:
    """Number lights from 1.

    Args:
        directions: unit vectors, the brightest light first, shape (N, 3).
        true_directions: those of the true lights, shape (M, 3); None if they are not known.

    Returns:
        For each light the number of the true light that it is (`match_directions`); lights that
        match none follow after the true ones.
    """
    if true_directions is None or not len(true_directions) or not len(directions):
        return list(range(1, len(directions) + 1))
    pairs, _ = match_directions(true_directions, directions)
    known = {int(found): int(true) + 1 for true, found in pairs}
    free = itertools.count(len(true_directions) + 1)
    return [known[k] if k in known else next(free) for k in range(len(directions))]
