"""Conjugate gradients over the entries that bounds leave free."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["conjugate_gradients", "projected_step"]

HALVINGS = 40

Vector = NDArray[Any]


def conjugate_gradients(
    matrix: Callable[[Vector], Vector],
    target: Vector,
    diagonal: Vector,
    free: NDArray[np.bool_],
    iterations: int,
    tolerance: float,
    enough: float = 0.0,
) -> Vector:
    """Solve matrix x = target over the free entries, preconditioned with the diagonal.

    Args:
        matrix: the matrix, symmetric and positive.
        target: what its product with the solution is to be, 0 where it is not free.
        diagonal: of the matrix.
        free: which entries may change.
        iterations: most steps.
        tolerance: of the residual, as a share of the first, at which to end.
        enough: a step that lowers the quadratic by less than so many times the mean of the steps
            so far is the last (Nash and Sofer 1990, Assessing a search direction within a
            truncated-Newton method); 0 for never.
    """
    lowered = 0.0
    solution, residual = np.zeros_like(target), target.copy()
    scaled = residual / diagonal
    direction = scaled.copy()
    product = first = float(np.sum(residual * scaled))
    for number in range(1, iterations + 1):
        if product <= tolerance**2 * first:
            break
        image = matrix(direction) * free
        length = product / max(float(np.sum(direction * image)), 1e-30)
        solution += np.float32(length) * direction
        residual -= np.float32(length) * image
        by_step = length * product
        lowered += by_step
        if number * by_step < enough * lowered:
            break
        scaled = residual / diagonal
        before, product = product, float(np.sum(residual * scaled))
        direction = scaled + np.float32(product / before) * direction
    return solution


def projected_step(
    vector: Vector,
    step: Vector,
    gradient: Vector,
    matrix: Callable[[Vector], Vector],
    bounds: Vector,
) -> Vector:
    """Halve a step until its projection on the bounds lowers a quadratic objective.

    Args:
        vector: where the step begins.
        step: the step.
        gradient: of the objective there.
        matrix: its Hessian.
        bounds: least values of the vector.

    Returns:
        The end of the step; where it began if no part of it lowers the objective.
    """
    for _ in range(HALVINGS):
        moved: Vector = np.maximum(vector + step, bounds)
        change = moved - vector
        if np.sum(change * gradient) + np.sum(change * matrix(change)) / 2 <= 0:
            return moved
        step = np.float32(0.5) * step
    return vector
