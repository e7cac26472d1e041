"""Problems whose pixels are taken together in blocks: a map soon, however many pixels there are."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.problem.fitting import resized
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.view import View
from envmap_inverse.recording.rows import in_blocks

__all__ = ["in_blocks_of", "largest_block", "num_counting", "spread_out"]

LARGEST = 64
"""Pixels on a side of a block, at most."""

FEWEST = 64
"""Blocks of a view that must count without being clipped."""


def in_blocks_of(problem: Problem, block: int) -> Problem:
    """The problem with the means of squares of pixels, so many on a side, in place of pixels.

    Pixels at the right and at the bottom that fill no square are left out, and so are squares of
    which a mask covers a part: their recording would have all of it.
    """
    if block == 1:
        return problem
    views = tuple(_in_blocks(view, block) for view in problem.views)
    return replace(problem, views=views, block=block)


def largest_block(problem: Problem, num_pixels: int) -> int:
    """The side of the largest blocks of which there are at least about so many that count.

    They are smaller where too few would be left of a view, and single pixels where the scene has
    other lights, which are rendered for all pixels first.
    """
    if len(problem.scene.mi_scene.emitters()) > 1:
        return 1
    block = min(max(math.isqrt(num_counting(problem) // num_pixels), 1), LARGEST)
    while block > 1 and not all(_is_enough(view, block) for view in problem.views):
        block -= 1
    return block


def num_counting(problem: Problem) -> int:
    """Number of pixels that count, those of a sensor's several pictures once."""
    counts: dict[int, int] = {}
    for view in problem.views:
        number = int(np.count_nonzero(view.mask))
        counts[view.sensor] = max(number, counts.get(view.sensor, 0))
    return sum(counts.values())


def spread_out(picture: NDArray[Any], size: tuple[int, int], block: int) -> NDArray[Any]:
    """What blocks have, for all pixels of a picture of (width, height)."""
    columns, rows = (
        np.minimum(np.arange(length) // block, found - 1)
        for length, found in zip(size, picture.shape[1::-1], strict=True)
    )
    return np.ascontiguousarray(picture[rows[:, None], columns])


def _is_enough(view: View, block: int) -> bool:
    is_exact = (view.mask > 0) & ~(view.is_over | view.is_under).any(axis=2)
    columns, rows = in_blocks(is_exact.shape[::-1], block)
    cut = is_exact[: block * rows, : block * columns]
    return int(cut.reshape(rows, block, columns, block).all(axis=(1, 3)).sum()) >= FEWEST


def _in_blocks(view: View, block: int) -> View:
    columns, rows = in_blocks(view.image.shape[1::-1], block)
    part = slice(block * rows), slice(block * columns)
    cut = replace(
        view,
        image=view.image[part],
        mask=view.mask[part],
        over=view.is_over[part],
        under=view.is_under[part],
    )
    found = resized(cut, columns, rows)
    masks = cut.mask.reshape(rows, block, columns, block)
    is_whole = masks.min(axis=(1, 3)) == masks.max(axis=(1, 3))
    return found if is_whole.all() else replace(found, mask=found.mask * is_whole)
