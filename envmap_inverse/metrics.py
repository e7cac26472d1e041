"""Errors between environment maps. NumPy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["sum_of_squared_errors"]


def sum_of_squared_errors(estimate: ArrayLike, ground_truth: ArrayLike) -> float:
    """Sum over all texels and channels of (estimate - ground_truth)^2, the tutorial's error.

    Texels count alike, whatever solid angle they subtend; alpha, equal in both, adds nothing.

    Args:
        estimate: texels (H, W, 3).
        ground_truth: texels of the same shape.

    Returns:
        Radiance squared; 0 or more.

    Raises:
        ValueError: if the shapes differ.
    """
    a, b = np.asarray(estimate, np.float64), np.asarray(ground_truth, np.float64)
    if a.shape != b.shape:
        raise ValueError(f"maps of unequal shape: {a.shape} and {b.shape}")
    return float(np.sum((a - b) ** 2))
