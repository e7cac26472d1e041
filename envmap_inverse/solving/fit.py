"""Whether a scene and a recovered map explain the pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
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
    renderings: Iterable[tuple[NDArray[np.float32], NDArray[np.float32]]],
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
    shown = zip(views, renderings, exposures, objects or [None] * len(views), strict=True)
    first: Residuals | None = None
    parts: list[_Part] = []
    for view, pair, exposure, on_objects in shown:  # one view's arrays are held at a time
        residuals = _residuals(view, pair, exposure, on_objects)
        parts.append(_Part.of(residuals))
        first = first or residuals
    assert first is not None
    maps = tuple(part.values for part in parts)
    if not all(np.isfinite(part.squares) for part in parts):
        reason = "renderings of the map hold NaN or infinity"
        return Fit(
            chi2=np.inf,
            correlation=0.0,
            verdict="no",
            reason=reason,
            held_out=held_out,
            residuals=maps,
        )
    number = sum(part.number for part in parts)
    chi2, correlation = sum(part.squares for part in parts) / number, _correlation(parts)
    or_more = f", or take {lacking}" if lacking else ""
    verdict, reasons = _verdict(parts, first, chi2, correlation, or_more)
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


@dataclass(frozen=True, kw_only=True, eq=False)
class _Part:
    """What is told from the residuals of a view.

    Attributes:
        values: see `Residuals`.
        number: how many values count.
        squares: the sum of their squares, not finite if a value is not; and of those cut at
            `LIMIT`.
        cut_squares: the same, cut.
        products: of neighbours, their sum.
        pairs: how many they are.
        level: words for channels that are too bright or too dark.
        others: words for other misfits, by kind.
    """

    values: NDArray[np.float32]
    number: int
    squares: float
    cut_squares: float
    products: float
    pairs: int
    level: str
    others: tuple[str, ...]

    @classmethod
    def of(cls, residuals: Residuals) -> _Part:
        """Tell it."""
        squares = residuals.values[residuals.counts] ** 2
        is_finite = bool(np.isfinite(residuals.values).all())
        products, pairs = neighbours(residuals) if is_finite else (0.0, 0)
        kinds = clipping_in_words, patch_in_words, rim_in_words, background_in_words
        return cls(
            values=residuals.values,
            number=len(squares),
            squares=float(np.sum(squares, dtype=np.float64)) if is_finite else np.inf,
            cut_squares=float(np.sum(np.minimum(squares, LIMIT**2), dtype=np.float64)),
            products=products,
            pairs=pairs,
            level=level_in_words(residuals) if is_finite else "",
            others=tuple(kind(residuals) if is_finite else "" for kind in kinds),
        )


def _correlation(parts: Sequence[_Part]) -> float:
    """Moran's I of all residuals."""
    pairs, variance = sum(p.pairs for p in parts), sum(p.cut_squares for p in parts)
    if not (pairs and variance):
        return 0.0
    variance /= sum(part.number for part in parts)
    return sum(part.products for part in parts) / pairs / variance


def _verdict(
    parts: Sequence[_Part], first: Residuals, chi2: float, correlation: float, or_more: str
) -> tuple[str, list[str]]:
    """The verdict, and its reasons: those of the first picture that has some."""
    levels = [f"{part.level}{or_more}" for part in parts if part.level]
    kinds = zip(*(part.others for part in parts), strict=True)
    others = [words for kind in kinds for words in kind if words]
    reasons = levels[:1]
    if correlation >= CORRELATED and chi2 >= PARTLY:
        more = filter(None, (motion_in_words(first), objects_in_words(first)))
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
        return WITHIN, [noise_in_words(first)]
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
    view: View,
    pair: tuple[NDArray[np.float32], NDArray[np.float32]],
    exposure: NDArray[np.float32],
    objects: NDArray[np.bool_] | None,
) -> Residuals:
    """Differences of a picture and its renderings, and what is to be expected of them."""
    predicted = (pair[0] + pair[1]) / np.float32(2)
    least = FLOOR * float(np.mean(predicted, dtype=np.float64))
    deviation = np.empty_like(predicted)
    for channel in range(3):
        first, second = (image[:, :, channel] for image in pair)
        found = _deviation(view, first, second, exposure[channel], least)
        deviation[:, :, channel] = found
    values = view.image / exposure
    values -= predicted
    is_met = (view.is_over & (values < 0)) | (view.is_under & (values > 0))
    values /= deviation
    values[is_met] = 0
    if np.isfinite(values).all():
        values[view.mask == 0] = 0
    return Residuals(
        view=view,
        predicted=predicted,
        deviation=deviation,
        values=values,
        exposure=exposure,
        objects=objects,
    )


def _deviation(
    view: View,
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    exposure: np.float32,
    least: float,
) -> NDArray[np.float64]:
    """Standard deviation to be expected of a channel's differences, shape (h, w)."""
    from scipy import ndimage  # noqa: PLC0415 - takes a while to load

    predicted = (first.astype(np.float64) + second) / 2
    of_rendering = ndimage.uniform_filter((first.astype(np.float64) - second) ** 2 / 4, 3)
    noise = view.variance((predicted * exposure).astype(np.float32)) / exposure**2
    of_map = TOLERANCE * np.maximum(predicted, least)
    return np.asarray(np.maximum(np.sqrt(noise + of_rendering + of_map**2), 1e-30))
