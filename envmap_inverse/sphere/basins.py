"""Regions of a map around its peaks. NumPy only."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["basins", "grown"]


def basins(
    values: NDArray[np.float64], is_bright: NDArray[np.bool_], saddle: float
) -> NDArray[np.intp]:
    """Number the regions of bright texels so that each has one peak.

    Texels are taken from the brightest down, and join the region that they touch, corners included,
    across the seam and over the poles too. Two regions that meet become one if the values where
    they meet are not below a share of the lower peak.

    Args:
        values: shape (H, W).
        is_bright: shape (H, W).
        saddle: the share.

    Returns:
        Shape (H, W): from 1, the region with the highest peak first; 0 where it is not bright.
    """
    height, width = values.shape
    flat = values.ravel()
    bright = np.flatnonzero(is_bright)
    region = np.full(height * width, -1)
    parent: list[int] = []
    peaks: list[float] = []

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = number = parent[parent[number]]
        return number

    for texel in bright[np.argsort(-flat[bright], kind="stable")].tolist():
        around = {
            root(int(region[other]))
            for other in _neighbours(texel, height, width)
            if region[other] >= 0
        }
        if not around:
            region[texel] = len(parent)
            parent.append(len(parent))
            peaks.append(float(flat[texel]))
            continue
        highest = min(around)  # regions are numbered as their peaks fall
        region[texel] = highest
        for other in around - {highest}:
            if flat[texel] >= saddle * peaks[other]:
                parent[other] = highest
    roots = np.array([root(number) for number in range(len(parent))], np.intp)
    numbers = np.zeros(height * width, np.intp)
    if len(roots):
        order = np.unique(roots, return_inverse=True)[1]
        numbers[bright] = 1 + order[region[bright]]
    return numbers.reshape(height, width)


def grown(
    values: NDArray[np.float64], numbers: NDArray[np.intp], floors: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Let regions reach on as long as the values fall, each down to a floor of its own.

    The brightest texels spread first: where two regions meet, each keeps its own slope.

    Args:
        values: shape (H, W).
        numbers: of the regions, as `basins` gives them, shape (H, W).
        floors: value that the texels of each region exceed, shape (regions,).

    Returns:
        The numbers of the grown regions, shape (H, W).
    """
    height, width = values.shape
    flat, found = values.ravel(), numbers.flatten()
    edge = [(-flat[texel], int(texel)) for texel in np.flatnonzero(found)]
    heapq.heapify(edge)
    while edge:
        _, texel = heapq.heappop(edge)
        number = found[texel]
        for other in _neighbours(texel, height, width):
            if found[other] == 0 and floors[number - 1] < flat[other] <= flat[texel]:
                found[other] = number
                heapq.heappush(edge, (-flat[other], other))
    return found.reshape(height, width)


def _neighbours(texel: int, height: int, width: int) -> Iterator[int]:
    """The texels that touch one; all texels of a pole's row touch each other."""
    row, column = divmod(texel, width)
    for other in range(max(row - 1, 0), min(row + 2, height)):
        if other in {0, height - 1} and other == row:
            yield from range(other * width, (other + 1) * width)
        else:
            for step in (-1, 0, 1):
                yield other * width + (column + step) % width
