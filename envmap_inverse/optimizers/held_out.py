"""Pixels that are kept from a fit, to measure it by."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from envmap_inverse.problem.view import View

__all__ = ["split"]


def split(view: View, share: float, random: np.random.Generator) -> tuple[View, View]:
    """A view for the fit and one for the measure: with disjoint masks.

    Args:
        view: whose masked pixels are in neither.
        share: of its pixels that the measure sees, at least one of them; 0, or a view of a single
            pixel, gives the whole view twice.
        random: chooses them.
    """
    seen = np.flatnonzero(view.mask)
    num_out = min(math.ceil(share * len(seen)), len(seen) - 1)
    if num_out == 0:
        return view, view
    is_out = np.zeros(view.mask.shape, bool)
    is_out.flat[random.choice(seen, num_out, replace=False)] = True
    fitted, measured = (replace(view, mask=view.mask * part) for part in (~is_out, is_out))
    return fitted, measured
