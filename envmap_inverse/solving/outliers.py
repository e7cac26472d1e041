"""Report the pixels that a run left out."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.problem.view import View

__all__ = ["outlier_shares", "warn_of_outliers", "without_outliers"]

MANY = 0.005
"""Share of a picture's pixels from which outliers are warned of."""

Masks = Sequence[NDArray[np.bool_]]


def outlier_shares(views: Sequence[View], outliers: Masks) -> list[float]:
    """Share of outliers among the pixels of each view that count.

    Args:
        views: the views.
        outliers: which pixels of each are outliers, shape (h, w).
    """
    return [
        float(mask.sum() / np.count_nonzero(view.mask))
        for view, mask in zip(views, outliers, strict=True)
    ]


def without_outliers(views: Sequence[View], outliers: Masks | None) -> list[View]:
    """The views whose masks leave out their outliers, too.

    Args:
        views: the views, or the first ones.
        outliers: which pixels of each are outliers, shape (h, w); None if none were looked for.
    """
    if outliers is None:
        return list(views)
    return [
        replace(view, mask=view.mask * ~mask) for view, mask in zip(views, outliers, strict=False)
    ]


def warn_of_outliers(views: Sequence[View], outliers: Masks) -> None:
    """Warn of each view that has many."""
    for view, share in zip(views, outlier_shares(views, outliers), strict=True):
        if share >= MANY:
            warnings.warn(
                f"{view.name}: {100 * share:.2g} % of its pixels go with no map that explains the "
                "others, and were left out: noise, something before the object, or something "
                "that the scene lacks",
                stacklevel=4,
            )
