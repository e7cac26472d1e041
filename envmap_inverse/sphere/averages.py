"""Weighted means and medians. NumPy only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["weighted_mean", "weighted_median"]


def weighted_mean(values: NDArray[Any], weights: NDArray[Any]) -> float:
    """Mean over a map and its channels.

    Args:
        values: shape (H, W) or (H, W, C).
        weights: shape (H, W), with a sum above 0; the texels' solid angles make it a mean over the
            sphere.
    """
    shares = weights.reshape(weights.shape + (1,) * (values.ndim - 2))
    return float(np.mean(np.sum(values * shares, axis=(0, 1))) / np.sum(weights))


def weighted_median(values: NDArray[Any], weights: NDArray[Any]) -> float:
    """The least value at or below which half of the weight lies.

    Args:
        values: any shape, not empty.
        weights: the same shape.
    """
    order = np.argsort(values, axis=None)
    reached = np.cumsum(weights.ravel()[order])
    return float(values.ravel()[order][np.searchsorted(reached, reached[-1] / 2)])
