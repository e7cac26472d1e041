"""Choose the library of arrays that goes with Mitsuba's variant."""

from __future__ import annotations

import functools
import warnings

from envmap_inverse.backend.modules import mi
from envmap_inverse.system.arrays import HOST, Library, cupy_library

__all__ = ["library_of_variant"]


def library_of_variant() -> Library:
    """CuPy under `cuda_ad_rgb`, so that what is traced on a graphics card stays there; else NumPy.

    Where CuPy is missing it is NumPy, with one hint.
    """
    if not str(mi.variant()).startswith("cuda"):
        return HOST
    return cupy_library() or _without_cupy()


@functools.cache
def _without_cupy() -> Library:
    warnings.warn(
        "CuPy cannot be used here: light transport is traced on the graphics card, but the map is "
        "solved for on the processor; pip install 'envmap-inverse[cuda]'",
        stacklevel=2,
    )
    return HOST
