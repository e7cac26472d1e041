"""Whether a scene and a recovered map explain the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.problem.solution import HeldOut
from envmap_inverse.problem.view import View
from envmap_inverse.solving.misfits import (
    CORRELATED,
    LIMIT,
    Residuals,
    clipping_in_words,
    level_in_words,
    motion_in_words,
    neighbours,
    patch_in_words,
)
from envmap_inverse.solving.regions import (
    background_in_words,
    noise_in_words,
    objects_in_words,
    rim_in_words,
)

__all__ = ["Fit", "judge"]

TOLERANCE = 0.03
"""Error of a prediction, as a share, that the map's resolution and its priors excuse."""

FLOOR = 0.03
"""Share of a picture's mean radiance below which errors count absolutely."""

PARTLY, NOT = 1.4, 2.0
"""Values of chi2 from which a correlated misfit is a small one, and none to live with.

Exact scenes of few pixels reach 1.3, as the recorded light transport is noisy. On larger films
cameras that are off by a pixel reach 2.9 to 6 (`python -m benchmarks --only wrong-cameras`)."""

WITHIN = "within noise"

STILL = 0.02
"""Motion of a map from its start, as a share of it, that counts as none."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How the pictures compare with renderings of the scene under the recovered map.

    Attributes:
        chi2: mean square of the residuals over their variance: of the pictures' noise, of the
            rendering, and of an error of 3 % that a map of finite resolution leaves. The pixels
            are those that were fitted, so that noise alone leaves less than 1, and outliers that
            were left out are not among them.
        correlation: Moran's I of the residuals between neighbouring pixels: 0 for noise, towards 1
            for what the scene gets wrong.
        verdict: "within noise"; "partly", if the scene is a little wrong; or "no".
        reason: what the residuals look like, and what to check; empty within noise.
        held_out: how well pixels were predicted that all rounds but the last left out; None if the
            optimizer holds none out.
        residuals: of each picture the differences over their standard deviation, shape (h, w, 3); 0
            where a picture is masked.
    """

    chi2: float
    correlation: float
    verdict: str
    reason: str
    held_out: HeldOut | None = None
    residuals: tuple[NDArray[np.float32], ...] = field(default=(), repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """The numbers and words, by their names in `summary.json`."""
        names = ("chi2", "correlation", "verdict", "reason")
        found = {name: getattr(self, name) for name in names}
        return found | {"held_out": self.held_out and self.held_out.as_dict()}


def judge(
    views: Sequence[View],
    renderings: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]],
    exposures: NDArray[np.float32],
    *,
    motion: float = np.inf,
    objects: Sequence[NDArray[np.bool_] | None] | None = None,
    held_out: HeldOut | None = None,
    parameterization: str = "",
    lacking: str = "",
) -> Fit:
    """Compare pictures with renderings of the recovered map.

    Args:
        views: the pictures.
        renderings: of each view two independent ones, radiance of shape (h, w, 3); their difference
            tells their noise.
        exposures: of each view and channel, shape (views, 3).
        motion: how far the map has moved from its start, as a share of it.
        objects: of each view, which pixels show an object and not the map itself, shape (h, w);
            None if that is not known.
        held_out: how well pixels were predicted that the map was not fitted to, if that is known.
        parameterization: the few numbers that the map follows from; empty for texels.
        lacking: what the run lacks if it ended too early, such as "more iterations".

    Returns:
        The fit of all views together.
    """
    parts = [
        replace(_residuals(view, pair, exposure), objects=shown)
        for view, pair, exposure, shown in zip(
            views, renderings, exposures, objects or [None] * len(views), strict=True
        )
    ]
    maps = tuple(
        np.where(part.view.mask[:, :, None] > 0, part.values, 0).astype(np.float32)
        for part in parts
    )
    if not all(np.isfinite(part.values).all() for part in parts):
        reason = "renderings of the map hold NaN or infinity"
        return Fit(
            chi2=np.inf,
            correlation=0.0,
            verdict="no",
            reason=reason,
            held_out=held_out,
            residuals=maps,
        )
    squares = np.concatenate([part.values[part.counts] ** 2 for part in parts])
    chi2, correlation = float(np.mean(squares)), _correlation(parts, squares)
    verdict, reasons = _verdict(parts, chi2, correlation, f", or take {lacking}" if lacking else "")
    if verdict != WITHIN and motion < STILL:
        reasons.insert(0, _stillness_in_words(motion))
    if verdict != WITHIN and parameterization:
        reasons.insert(0, _coarseness_in_words(parameterization))
    return Fit(
        chi2=chi2,
        correlation=correlation,
        verdict=verdict,
        reason="; ".join(reasons),
        held_out=held_out,
        residuals=maps,
    )


def _correlation(parts: Sequence[Residuals], squares: NDArray[np.float64]) -> float:
    """Moran's I of all residuals, whose squares are given."""
    first, second = (np.concatenate(side) for side in zip(*map(neighbours, parts), strict=True))
    variance = float(np.mean(np.minimum(squares, LIMIT**2)))
    return float(np.mean(first * second) / variance) if len(first) and variance else 0.0


def _verdict(
    parts: Sequence[Residuals], chi2: float, correlation: float, or_more: str
) -> tuple[str, list[str]]:
    """The verdict, and its reasons: those of the first picture that has some."""
    levels = [f"{words}{or_more}" for words in map(level_in_words, parts) if words]
    kinds = clipping_in_words, patch_in_words, rim_in_words, background_in_words
    others = [words for kind in kinds for words in map(kind, parts) if words]
    reasons = levels[:1]
    if correlation >= CORRELATED and chi2 >= PARTLY:
        more = filter(None, (motion_in_words(parts[0]), objects_in_words(parts[0])))
        reasons.append(
            f"neighbouring residuals are alike (correlation {correlation:.2f}); check camera, "
            f"geometry, material and its texture, integrator and colour space{or_more}"
            + "".join(f"; {words}" for words in more)
        )
    if reasons and (levels or chi2 >= NOT):
        return "no", reasons + others
    if reasons or others:
        return "partly", reasons + others
    if chi2 > 2:
        return WITHIN, [noise_in_words(parts[0])]
    return WITHIN, []


def _coarseness_in_words(parameterization: str) -> str:
    return (
        f"{parameterization} may have too few numbers for what the pictures show; take more, "
        "--parameterization auto, or leave it out for the texels"
    )


def _stillness_in_words(motion: float) -> str:
    return (
        f"the map hardly left its start (by {100 * motion:.2g} %): take more or longer steps, or "
        "a start map as bright as the light"
    )


def _residuals(
    view: View, pair: tuple[NDArray[np.float32], NDArray[np.float32]], exposure: NDArray[np.float32]
) -> Residuals:
    """Differences of a picture and its renderings, and what is to be expected of them."""
    from scipy import ndimage  # noqa: PLC0415 - takes a while to load

    predicted = (pair[0].astype(np.float64) + pair[1]) / 2
    values = predicted * exposure
    difference = view.image / exposure - predicted
    is_met = (view.is_over & (difference < 0)) | (view.is_under & (difference > 0))
    of_rendering = ndimage.uniform_filter(
        (pair[0].astype(np.float64) - pair[1]) ** 2 / 4, (3, 3, 0)
    )
    light = np.maximum(predicted, FLOOR * float(np.mean(predicted)))
    noise = view.variance(values.astype(np.float32)) / exposure**2
    deviation = np.sqrt(noise + of_rendering + (TOLERANCE * light) ** 2)
    deviation = np.maximum(deviation, 1e-30)
    return Residuals(
        view=view,
        predicted=predicted,
        deviation=deviation,
        values=np.where(is_met, 0, difference / deviation),
        exposure=exposure,
    )
