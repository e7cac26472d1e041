"""Whether a scene and a recovered map explain the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.problem.view import View

__all__ = ["Fit", "judge"]

TOLERANCE = 0.03
"""Error of a prediction, as a share, that the map's resolution and its priors excuse."""

FLOOR = 0.03
"""Share of a picture's mean radiance below which errors count absolutely."""

PARTLY, NOT = 1.4, 2.0
"""Values of chi2 from which a correlated misfit is a small one, and none to live with.

Exact scenes of few pixels reach 1.3, as the recorded light transport is noisy. On larger films
cameras that are off by a pixel reach 2.9 to 6 (`python -m benchmarks --only wrong-cameras`)."""

CORRELATED = 0.12
"""Moran's I of residuals from which they are no noise."""

LIMIT = 6.0
"""Standard deviations at which residuals are cut for the correlation, so that few do not rule."""

STILL = 0.02
"""Motion of a map from its start, as a share of it, that counts as none."""

LIT, LEVEL = 0.1, 1.0
"""Share of a mean from which pixels are lit, and the median of their residuals from which a channel
is too bright or too dark as a whole."""

MIN_SHIFT_SHARE = 0.15
"""Share of the residuals' variance that a shift must explain to be named."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How the pictures compare with renderings of the scene under the recovered map.

    Attributes:
        chi2: mean square of the residuals over their variance: of the pictures' noise, of the
            rendering, and of an error of 3 % that a map of finite resolution leaves. The pixels
            are those that were fitted, so that noise alone leaves less than 1.
        correlation: Moran's I of the residuals between neighbouring pixels: 0 for noise, towards 1
            for what the scene gets wrong.
        verdict: "within noise"; "partly", if the scene is a little wrong; or "no".
        reason: what the residuals look like, and what to check; empty within noise.
    """

    chi2: float
    correlation: float
    verdict: str
    reason: str


def judge(
    views: Sequence[View],
    renderings: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]],
    exposures: NDArray[np.float32],
    *,
    motion: float = np.inf,
) -> Fit:
    """Compare pictures with renderings of the recovered map.

    Args:
        views: the pictures.
        renderings: of each view two independent ones, radiance of shape (h, w, 3); their difference
            tells their noise.
        exposures: of each view and channel, shape (views, 3).
        motion: how far the map has moved from its start, as a share of it.

    Returns:
        The fit of all views together.
    """
    parts = [
        _residuals(view, pair, exposure)
        for view, pair, exposure in zip(views, renderings, exposures, strict=True)
    ]
    counts = [view.weights > 0 for view in views]
    if not all(np.isfinite(part).all() for part in parts):
        reason = "renderings of the map hold NaN or infinity"
        return Fit(chi2=np.inf, correlation=0.0, verdict="no", reason=reason)
    squares = np.concatenate([part[count] ** 2 for part, count in zip(parts, counts, strict=True)])
    chi2 = float(np.mean(squares))
    pairs = [_neighbours(part, count) for part, count in zip(parts, counts, strict=True)]
    first, second = (np.concatenate(side) for side in zip(*pairs, strict=True))
    variance = float(np.mean(np.minimum(squares, LIMIT**2)))
    correlation = float(np.mean(first * second) / variance) if len(first) and variance else 0.0
    levels = [
        _level_in_words(view, pair, part, exposure)
        for view, pair, part, exposure in zip(views, renderings, parts, exposures, strict=True)
    ]
    reasons = list(filter(None, levels))[:1]
    if correlation >= CORRELATED and chi2 >= PARTLY:
        reasons.append(
            f"neighbouring residuals are alike (correlation {correlation:.2f}); check camera, "
            "geometry, material, integrator and colour space, or take more iterations of Adam"
            f"{_shift_in_words(parts[0], renderings[0], counts[0])}"
        )
    verdict = "no" if any(levels) or (reasons and chi2 >= NOT) else "partly"
    if not reasons:
        verdict = "within noise"
        if chi2 > 2 and correlation < CORRELATED:
            reasons.append("the pictures are noisier than their noise model says")
    elif motion < STILL:
        reasons.insert(0, _stillness_in_words(motion))
    return Fit(chi2=chi2, correlation=correlation, verdict=verdict, reason="; ".join(reasons))


def _stillness_in_words(motion: float) -> str:
    return (
        f"the map hardly left its start (by {100 * motion:.2g} %): take more iterations, a higher "
        "learning rate, or a start map as bright as the light"
    )


def _level_in_words(
    view: View,
    pair: tuple[NDArray[np.float32], NDArray[np.float32]],
    residuals: NDArray[np.float64],
    exposure: NDArray[np.float32],
) -> str:
    """By which factors the channels of lit pixels are off as a whole; empty if none is.

    The median of n normal numbers has a standard error of 1.25 / sqrt(n).
    """
    predicted = (pair[0].astype(np.float64) + pair[1]) / 2
    lit = (view.weights > 0) & (predicted > LIT * np.mean(predicted, axis=(0, 1)))
    ratios, is_off = np.ones(3), False
    for channel, counts in enumerate(np.moveaxis(lit, 2, 0)):
        if counts.any():
            found = (view.image / exposure)[counts, channel] / predicted[counts, channel]
            ratios[channel] = np.median(found)
            limit = LEVEL + 4 * 1.25 / float(np.sqrt(counts.sum()))
            is_off |= bool(abs(np.median(residuals[counts, channel])) > limit)
    if not is_off:
        return ""
    words = ":".join(f"{ratio:.3g}" for ratio in ratios)
    return (
        f"{view.name} is {words} times (red:green:blue) as bright as its rendering; check units, "
        "exposure, colour space and other emitters, or take more iterations"
    )


def _residuals(
    view: View, pair: tuple[NDArray[np.float32], NDArray[np.float32]], exposure: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Standardized differences of a picture and its renderings, 0 where a bound is met."""
    from scipy import ndimage  # noqa: PLC0415 - takes a while to load

    predicted = (pair[0].astype(np.float64) + pair[1]) / 2
    values = predicted * exposure
    difference = view.image / exposure - predicted
    is_met = (view.is_over & (difference < 0)) | (view.is_under & (difference > 0))
    of_rendering = ndimage.uniform_filter(
        (pair[0].astype(np.float64) - pair[1]) ** 2 / 4, (3, 3, 0)
    )
    light = np.maximum(predicted, FLOOR * float(np.mean(predicted)))
    noise = view.noise_model.variance(values.astype(np.float32)) / exposure**2
    deviation = np.sqrt(noise + of_rendering + (TOLERANCE * light) ** 2)
    return np.asarray(np.where(is_met, 0, difference / np.maximum(deviation, 1e-30)))


def _neighbours(
    residuals: NDArray[np.float64], counts: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The residuals of all pairs of neighbours that count, without their mean, cut at `LIMIT`."""
    cut = np.clip(residuals, -LIMIT, LIMIT)
    cut = cut - (np.mean(cut[counts]) if counts.any() else 0)
    below = counts[1:] & counts[:-1]
    beside = counts[:, 1:] & counts[:, :-1]
    first = np.concatenate([cut[:-1][below], cut[:, :-1][beside]])
    second = np.concatenate([cut[1:][below], cut[:, 1:][beside]])
    return first, second


def _shift_in_words(
    residuals: NDArray[np.float64],
    pair: tuple[NDArray[np.float32], NDArray[np.float32]],
    counts: NDArray[np.bool_],
) -> str:
    """Which shift of the picture explains the residuals, if one explains enough of them."""
    if min(residuals.shape[:2]) < 3:
        return ""
    predicted = (pair[0].astype(np.float64) + pair[1]) / 2
    light = np.maximum(predicted, FLOOR * float(np.mean(predicted)))
    rows, columns = np.gradient(predicted, axis=(0, 1))
    design = np.stack([(slope / (TOLERANCE * light))[counts] for slope in (columns, rows)], axis=1)
    design, observed = np.clip(design, -1e3, 1e3), np.clip(residuals[counts], -LIMIT, LIMIT)
    shift: NDArray[Any]
    shift, *_ = np.linalg.lstsq(design, observed, rcond=None)
    explained = 1 - np.mean((observed - design @ shift) ** 2) / max(np.mean(observed**2), 1e-30)
    if explained < MIN_SHIFT_SHARE:
        return ""
    return (
        f"; a shift of the picture by {-shift[0]:+.2f}, {-shift[1]:+.2f} pixels explains "
        f"{100 * explained:.0f} % of them"
    )
