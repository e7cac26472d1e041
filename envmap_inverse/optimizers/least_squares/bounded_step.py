"""The lowest point of a quadratic function of a few numbers within bounds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["bounded_step"]

Array = NDArray[np.float64]

SLACK = 1e-12
"""SciPy wants room between bounds."""


def bounded_step(
    hessian: Array, pull: Array, bounds: tuple[Array, Array], damping: float = 0.0
) -> Array:
    """The step s that minimizes s' H s / 2 - s' p within bounds, with damping d: H + d diag(H).

    Args:
        hessian: H, positive definite, shape (n, n).
        pull: p, shape (n,).
        bounds: least and greatest values of s, shape (n,) each.
        damping: d (Marquardt 1963).
    """
    from scipy.optimize import lsq_linear  # noqa: PLC0415 - slow to import

    damped = hessian + damping * np.diag(np.diag(hessian))
    step = np.asarray(np.linalg.solve(damped, pull), np.float64)
    low, high = bounds
    if ((step >= low) & (step <= high)).all():
        return step
    root = np.linalg.cholesky(damped).T
    found = lsq_linear(root, root @ step, (low - SLACK, high + SLACK), method="bvls")
    return np.asarray(np.clip(found.x, low, high))
