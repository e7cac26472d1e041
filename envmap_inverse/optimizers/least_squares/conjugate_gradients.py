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
) -> Vector:
    """Solve matrix x = target over the free entries, preconditioned with the diagonal."""
    solution, residual = np.zeros_like(target), target.copy()
    scaled = residual / diagonal
    direction = scaled.copy()
    product = first = float(np.sum(residual * scaled))
    for _ in range(iterations):
        if product <= tolerance**2 * first:
            break
        image = matrix(direction) * free
        length = product / max(float(np.sum(direction * image)), 1e-30)
        solution += np.float32(length) * direction
        residual -= np.float32(length) * image
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
