"""Words for what residuals look like: what a scene or a picture gets wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.problem.view import View

__all__ = [
    "CORRELATED",
    "LIMIT",
    "Residuals",
    "clipping_in_words",
    "level_in_words",
    "motion_in_words",
    "neighbours",
    "patch_in_words",
]

LIMIT = 6.0
"""Standard deviations at which residuals are cut, so that few do not rule."""

CORRELATED = 0.12
"""Moran's I of residuals from which they are no noise."""

LIT, LEVEL = 0.1, 1.0
"""Share of a mean from which pixels are lit, and the median of their residuals from which a channel
is too bright or too dark as a whole."""

MIN_MOTION_SHARE, MIN_TURN_SHARE = 0.15, 0.1
"""Share of the residuals' variance that a shift must explain to be named, and how much more a turn
and another field of view must explain."""

MAX_VALUES = 2**18
"""Values from which a motion is told."""

MIN_PATCH, MIN_PATCH_SHARE, MAX_PATCH_SHARE = 12, 0.004, 0.2
"""Pixels of a patch, and the shares of those that count between which it is named."""

MIN_PATCH_OF_MISFIT = 0.3
"""Share of the squared residuals that a patch must hold to be named."""

TOP = 0.98
"""Share of the highest value from which pixels may be clipped."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Residuals:
    """A picture, less its rendering under the recovered map. Arrays have shape (h, w, 3).

    Attributes:
        view: the picture.
        predicted: the rendering, radiance.
        deviation: standard deviation to be expected of the difference, radiance.
        values: the differences over their deviation, 0 where a bound is met or the mask is 0.
        exposure: of the picture, shape (3,).
        objects: which pixels show an object and not the map itself, shape (h, w); None if that is
            not known.
    """

    view: View
    predicted: NDArray[np.float32]
    deviation: NDArray[np.float32]
    values: NDArray[np.float32]
    exposure: NDArray[np.float32]
    objects: NDArray[np.bool_] | None = None

    @property
    def counts(self) -> NDArray[np.bool_]:
        """Which values of the picture count."""
        return np.asarray(self.view.weights > 0)


def level_in_words(residuals: Residuals) -> str:
    """By which factors the channels of lit pixels are off as a whole; empty if none is.

    The median of n normal numbers has a standard error of 1.25 / sqrt(n).
    """
    view, predicted = residuals.view, residuals.predicted
    lit = residuals.counts & (predicted > LIT * np.mean(predicted, axis=(0, 1)))
    ratios, is_off = np.ones(3), False
    for channel, counts in enumerate(np.moveaxis(lit, 2, 0)):
        if counts.any():
            light = view.image[counts, channel] / residuals.exposure[channel]
            found = light / predicted[counts, channel]
            ratios[channel] = np.median(found)
            limit = LEVEL + 4 * 1.25 / float(np.sqrt(counts.sum()))
            is_off |= bool(abs(np.median(residuals.values[counts, channel])) > limit)
    if not is_off:
        return ""
    words = ":".join(f"{ratio:.3g}" for ratio in ratios)
    return (
        f"{view.name} is {words} times (red:green:blue) as bright as its rendering; check units, "
        "exposure, colour space and other emitters"
    )


def motion_in_words(residuals: Residuals) -> str:
    """How the picture looks moved, if that explains enough of the residuals.

    A regression on the rendering's derivatives by a shift along x and y, a turn about the centre,
    and a factor on the size.
    """
    height, width, _ = residuals.values.shape
    if min(height, width) < 3:
        return ""
    counts = np.nonzero(_thinned(residuals.counts))
    down, across = (np.gradient(residuals.predicted, axis=axis)[counts] for axis in (0, 1))
    y, x = counts[0] - (height - 1) / 2, counts[1] - (width - 1) / 2
    slopes = (across, down, x * down - y * across, x * across + y * down)
    design = np.stack([-slope / residuals.deviation[counts] for slope in slopes], axis=1)
    design = design.astype(np.float64)
    observed = np.clip(residuals.values[counts].astype(np.float64), -LIMIT, LIMIT)
    reach = np.array([1e3, 1e3, 1e3 * width, 1e3 * width])
    design = np.clip(design, -reach, reach)
    shift, of_shift = _explained(design[:, :2], observed)
    motion, of_all = _explained(design, observed)
    if max(of_shift, of_all) < MIN_MOTION_SHARE:
        return ""
    if of_all - of_shift < MIN_TURN_SHARE:
        return (
            f"a shift of the picture by {shift[0]:+.2f}, {shift[1]:+.2f} pixels explains "
            f"{100 * of_shift:.0f} % of them"
        )
    return (
        f"a shift of the picture by {motion[0]:+.2f}, {motion[1]:+.2f} pixels, a turn by "
        f"{np.degrees(motion[2]):+.2g} degrees and a size {100 * motion[3]:+.2g} % explain "
        f"{100 * of_all:.0f} % of them"
    )


def _thinned(counts: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The same for few values; of many some that are spread evenly, which tell as much."""
    chosen = np.flatnonzero(counts)
    thinned = np.zeros_like(counts)
    thinned.flat[chosen[:: -(-len(chosen) // MAX_VALUES) or 1]] = True
    return thinned


def _explained(
    design: NDArray[np.float64], observed: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Coefficients of a regression, and the share of the mean square that it explains."""
    found, *_ = np.linalg.lstsq(design, observed, rcond=None)
    rest = float(np.mean((observed - design @ found) ** 2))
    return np.asarray(found), 1 - rest / max(float(np.mean(observed**2)), 1e-30)


def patch_in_words(residuals: Residuals) -> str:
    """Where the largest patch lies that no map explains; empty if it is small."""
    from scipy import ndimage  # noqa: PLC0415 - takes a while to load

    counts = residuals.counts.any(axis=2)
    size = np.abs(np.where(residuals.counts, residuals.values, 0)).max(axis=2)
    labels, number = ndimage.label(ndimage.binary_opening(size > LIMIT, np.ones((2, 2))))
    if number == 0:
        return ""
    sizes = np.bincount(labels.ravel())[1:]
    largest = int(np.argmax(sizes))
    if sizes[largest] < max(MIN_PATCH, MIN_PATCH_SHARE * counts.sum()):
        return ""
    squares = np.minimum(size, 3 * LIMIT) ** 2
    patch = labels == largest + 1
    is_everywhere = sizes[largest] > MAX_PATCH_SHARE * counts.sum()
    if is_everywhere or squares[patch].sum() < MIN_PATCH_OF_MISFIT * squares.sum():
        return ""
    row, column = ndimage.center_of_mass(patch)
    return (
        f"{residuals.view.name} has a patch of {sizes[largest]} pixels round x={column:.0f}, "
        f"y={row:.0f} that no map explains; mask it if the scene lacks what is there"
    )


def clipping_in_words(residuals: Residuals) -> str:
    """How many pixels look clipped though no level says so; empty if few."""
    view = residuals.view
    if view.white is not None:
        return ""
    values = np.where(residuals.counts, view.image, -np.inf)
    top = residuals.counts & (values >= TOP * values.max(axis=(0, 1)))
    number = int(top.any(axis=2).sum())
    if number < MIN_PATCH or np.median(residuals.values[top]) > -LEVEL:
        return ""
    return (
        f"{number} pixels of {view.name} share its highest value and are darker than their "
        "rendering; say from which value it is clipped (white)"
    )


def neighbours(residuals: Residuals, counts: NDArray[np.bool_] | None = None) -> tuple[float, int]:
    """The sum of the products of all pairs of neighbours that count, and how many there are.

    Of residuals without their mean, cut at `LIMIT`.

    Args:
        residuals: of a picture.
        counts: which values do, shape (h, w, 3); those of the picture that count if None.
    """
    counts = residuals.counts if counts is None else counts
    cut = np.clip(residuals.values, -LIMIT, LIMIT)
    if counts.any():
        cut -= np.mean(cut, dtype=np.float64, where=counts)
    total, number = 0.0, 0
    for axis in (0, 1):
        values, both = np.moveaxis(cut, axis, 0), np.moveaxis(counts, axis, 0)
        pairs = both[1:] & both[:-1]
        products = values[1:] * values[:-1]
        total += float(np.sum(products, dtype=np.float64, where=pairs))
        number += int(np.count_nonzero(pairs))
    return total, number
