"""Errors between environment maps. NumPy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.latlong import texel_solid_angles

__all__ = ["angular_error", "log_rmse", "sum_of_squared_errors"]


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
    a, b = _pair(estimate, ground_truth)
    return float(np.sum((a - b) ** 2))


def log_rmse(estimate: ArrayLike, ground_truth: ArrayLike, *, floor: float = 0.01) -> float:
    """Root mean square over the sphere of log(estimate + floor) - log(ground_truth + floor).

    Texels weigh by their solid angle, channels alike; negative values count as 0.

    Args:
        estimate: texels (H, W, 3).
        ground_truth: texels of the same shape.
        floor: radiance below which differences fade.

    Returns:
        Natural-log units; 0 or more.

    Raises:
        ValueError: if the shapes differ.
    """
    a, b = _pair(estimate, ground_truth)
    ratio = np.log(np.maximum(a, 0) + floor) - np.log(np.maximum(b, 0) + floor)
    return float(np.sqrt(_sphere_mean(np.mean(ratio**2, axis=2))))


def angular_error(estimate: ArrayLike, ground_truth: ArrayLike) -> float:
    """Mean over the sphere of the angle between two texels taken as RGB vectors.

    It compares colours, not brightness. Negative values count as 0; a black texel has the angle
    of grey.

    Args:
        estimate: texels (H, W, 3).
        ground_truth: texels of the same shape.

    Returns:
        Degrees, from 0 to 90.

    Raises:
        ValueError: if the shapes differ.
    """
    a, b = (np.maximum(array, 0) for array in _pair(estimate, ground_truth))
    a, b = (np.where(array.any(axis=2, keepdims=True), array, 1.0) for array in (a, b))
    # atan2 keeps its precision at small angles, where the arc cosine has none.
    angles = np.arctan2(np.linalg.norm(np.cross(a, b), axis=2), np.sum(a * b, axis=2))
    return float(np.degrees(_sphere_mean(angles)))


def _sphere_mean(values: NDArray[np.float64]) -> float:
    weights = texel_solid_angles(*values.shape)
    return float(np.sum(values * weights) / np.sum(weights))


def _pair(a: ArrayLike, b: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if first.shape != second.shape:
        raise ValueError(f"maps of unequal shape: {first.shape} and {second.shape}")
    return first, second
