"""Words for where residuals lie: at outlines, beside the objects, or on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.solving.misfits import CORRELATED, LIMIT, Residuals, neighbours

__all__ = ["background_in_words", "noise_in_words", "objects_in_words", "rim_in_words"]

BESIDE = 3
"""Pixels from an outline from which a pixel shows nothing but the map."""

MIN_VALUES = 60
"""Values of a region from which it is judged."""

RIM_RATIO, RIM_MISFIT = 1.3, 1.5
"""Misfit of outlines, over that of what is on both sides, and by itself, from which they are named;
of exact scenes the ratio is 0.6 to 1."""

BACKGROUND_MISFIT, BACKGROUND_RATIO = 0.8, 1.5
"""Misfit of the map that is seen directly, from which it is named if its residuals are alike or
so many times as large as those on objects. Of exact scenes it is 0.1, and as much as 0.6 where
noise rules, which is on objects, too."""

OBJECT_RATIO = 3.0
"""Misfit of objects, over that of the map that is seen directly, from which they alone misfit."""


@dataclass(frozen=True, kw_only=True)
class _Region:
    """The residuals of a part of a picture.

    Attributes:
        number: how many values it has.
        misfit: mean of their squares, cut at `LIMIT`; about 1 if they are as large as expected.
        correlation: of neighbours, 0 for noise and towards 1 where they are alike.
    """

    number: int
    misfit: float
    correlation: float

    @classmethod
    def of(cls, residuals: Residuals, pixels: NDArray[np.bool_]) -> _Region:
        """Those of pixels (h, w)."""
        counts = residuals.counts & pixels[:, :, None]
        if not counts.any():
            return cls(number=0, misfit=0.0, correlation=0.0)
        cut = np.clip(residuals.values[counts], -LIMIT, LIMIT)
        misfit = float(np.mean(cut**2, dtype=np.float64))
        products, pairs = neighbours(residuals, counts)
        # A region may be too bright as a whole, which is alike, too.
        alike = products / pairs + float(np.mean(cut, dtype=np.float64)) ** 2 if pairs else 0.0
        correlation = alike / misfit if misfit else 0.0
        return cls(number=int(counts.sum()), misfit=misfit, correlation=correlation)

    @property
    def is_judged(self) -> bool:
        return self.number >= MIN_VALUES


def _regions(residuals: Residuals) -> tuple[_Region, _Region, _Region] | None:
    """The outlines of objects, what is on them, and what shows the map directly."""
    from scipy import ndimage  # noqa: PLC0415 - takes a while to load

    objects = residuals.objects
    if objects is None:
        return None
    square = np.ones((3, 3), bool)
    inside = ndimage.binary_erosion(objects, square, border_value=1)
    outline = ndimage.binary_dilation(objects, square) & ~inside
    beside = ~ndimage.binary_dilation(objects, square, iterations=BESIDE)
    rim, on, background = (_Region.of(residuals, part) for part in (outline, inside, beside))
    return rim, on, background


def rim_in_words(residuals: Residuals) -> str:
    """Whether residuals are largest at the outlines of objects; empty if not."""
    regions = _regions(residuals)
    if regions is None or not all(region.is_judged for region in regions):
        return ""
    rim, *others = regions
    ratio = rim.misfit / max(*(other.misfit for other in others), 1e-30)
    if ratio < RIM_RATIO or rim.misfit < RIM_MISFIT:
        return ""
    return (
        f"the squared residuals of {residuals.view.name} are {ratio:.2g} times as large at the "
        "outlines of objects as elsewhere; check whether meshes are too coarse, poses, the camera, "
        "and what is behind the objects"
    )


def background_in_words(residuals: Residuals) -> str:
    """Whether the map misfits where the camera sees it directly; empty if not."""
    regions = _regions(residuals)
    if regions is None:
        return ""
    _, on, background = regions
    is_alike = background.correlation >= CORRELATED
    is_larger = on.is_judged and background.misfit >= BACKGROUND_RATIO * on.misfit
    is_named = background.is_judged and (is_alike or is_larger)
    if not (is_named and background.misfit >= BACKGROUND_MISFIT):
        return ""
    return (
        f"{residuals.view.name} misfits where it sees the map directly, beside the objects; check "
        "the camera's direction and field of view, take a larger map, or mask a background that is "
        "near or does not light the objects"
    )


def objects_in_words(residuals: Residuals) -> str:
    """Whether objects misfit though the map that is seen directly fits; empty if not."""
    if not _only_objects_misfit(residuals):
        return ""
    return "the map that is seen directly fits, so look at the objects rather than at the camera"


def noise_in_words(residuals: Residuals) -> str:
    """What residuals may be that are larger than expected, but not alike in neighbours."""
    if not _only_objects_misfit(residuals):
        return "the pictures are noisier than their noise model says"
    return (
        "on the objects residuals are larger than the noise model says, but not where the map is "
        "seen directly: a picture that is rendered with few samples, or a camera, shape or "
        "material that is a little off"
    )


def _only_objects_misfit(residuals: Residuals) -> bool:
    """Whether objects misfit, and the map that is seen directly fits."""
    regions = _regions(residuals)
    if regions is None:
        return False
    _, on, background = regions
    is_fit = background.misfit < min(BACKGROUND_MISFIT, on.misfit / OBJECT_RATIO)
    return on.is_judged and background.is_judged and is_fit
