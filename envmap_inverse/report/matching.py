"""Give the lights and lamps of a recovered map the numbers of the true lights that they are."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from string import ascii_lowercase

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.sphere.latlong import angle_between
from envmap_inverse.sphere.lights import Lights, match_directions

__all__ = ["lamp_labels", "light_numbers"]

MARGIN = 3.0
"""Lamps of a light lie within twice the radius of a disc of its size, and so many degrees more."""


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


def lamp_labels(
    directions: NDArray[np.float64], lights: Lights, numbers: Sequence[int]
) -> list[str]:
    """Name lamps after the lights that they are part of.

    Args:
        directions: unit vectors, shape (N, 3), the brightest lamp first.
        lights: of the same map.
        numbers: those of the lights.

    Returns:
        For each lamp the number of its light, with a letter if the light has several lamps; lamps
        of no light follow after the lights.
    """
    free = itertools.count(max(numbers, default=0) + 1)
    radii = np.degrees(np.arccos(1 - np.minimum(lights.solid_angles, 4 * np.pi) / (2 * np.pi)))
    found = []
    for direction in directions:
        degrees = np.degrees(angle_between(lights.directions, direction))
        inside = np.flatnonzero(degrees < 2 * radii + MARGIN)
        is_part = len(inside) > 0
        found.append(numbers[inside[np.argmin(degrees[inside])]] if is_part else next(free))
    counts, seen = Counter(found), Counter[int]()
    labels = []
    for number in found:
        letter = ascii_lowercase[seen[number] % 26] if counts[number] > 1 else ""
        labels.append(f"{number}{letter}")
        seen[number] += 1
    return labels
