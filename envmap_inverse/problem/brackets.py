"""Views at several exposures: the response of their camera, and the exposures."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.images.bracket_samples import sample_bracket
from envmap_inverse.images.colour import SRGB, Curve, linear_to_srgb
from envmap_inverse.images.contrast import ContrastCurve
from envmap_inverse.images.picture import Picture
from envmap_inverse.images.response import AUTO, Bracket, Response, exif_tolerance
from envmap_inverse.images.response_fit import Exposures, Samples, fit_response
from envmap_inverse.problem.view import View
from envmap_inverse.system.progress import stage

__all__ = [
    "LEAST_RANGE",
    "common_response",
    "exif_exposures",
    "response_summary",
    "with_found_responses",
]

_LOGGER = logging.getLogger(__name__)

GIVEN_TOLERANCE = 1e-3
UNKNOWN = 3.0
"""Standard deviation of a log exposure of which nothing is known."""

TABLE_SIZE = 33
"""Values of a curve in `summary.json`."""

MAX_CURVES = 16
"""Pictures that may have a curve each."""

LEAST_RANGE = 1.15
"""Ratio of exposures from which pictures say something of the response."""


def exif_exposures(views: Sequence[View]) -> NDArray[np.float64] | None:
    """Exposures by EXIF, relative to the first view; None unless all pictures have them."""
    found = [None if view.picture is None else view.picture.camera.exposure for view in views]
    known = [exposure for exposure in found if exposure is not None]
    if len(known) < len(found) or not known:
        return None
    return np.array(known) / known[0]


def with_found_responses(views: Sequence[View]) -> tuple[View, ...]:
    """Linearize views of a bracket by the response that is found from them, and expose them.

    A bracket is several 8- or 16-bit pictures of one sensor whose exposures differ. Of views whose
    response is "auto" the response is found from all brackets together, with the exposures; those
    that are "auto" are set, unless several brackets are linked by nothing. Single photographs with
    EXIF's exposure beside them are taken to be by the same camera: they have the mean of the
    curves, and EXIF's exposure if theirs is "auto". Other views stay as they are.

    Args:
        views: at the size and with the rows and columns of their pictures.
    """
    brackets = _brackets(views)
    members = [number for bracket in brackets for number in bracket]
    if not members:
        return tuple(views)
    chosen = [views[number] for number in members]
    prior = _prior(chosen)
    with stage("Finding the camera's response"):
        try:
            samples = _sampled([[views[number] for number in bracket] for bracket in brackets])
        except InputError as error:
            warnings.warn(
                f"{chosen[0].name} and {len(chosen) - 1} more: the camera's response is not found "
                f"from them ({error}); they are linearized as their files say",
                stacklevel=2,
            )
            return tuple(views)
        fit = fit_response(
            samples,
            prior.exposures,
            is_per_picture=prior.is_anchored and len(chosen) <= MAX_CURVES,
        )
    exposures = np.exp(fit.logs + prior.offset(fit.logs))
    if exposures.max() < LEAST_RANGE * exposures.min():
        return tuple(views)
    bracket = Bracket(
        sharing=fit.sharing,
        exposures=np.exp(fit.logs),
        deviations=fit.deviations,
        by_exif=exif_exposures(chosen),
    )
    is_linked = len(brackets) == 1 or prior.is_anchored
    made = list(views)
    for number, view in enumerate(chosen):
        exposure = float(exposures[number]) if is_linked else None
        curves = [fit.curve(number, channel) for channel in range(3)]
        made[members[number]] = _linearized(view, fit.sharing, curves, bracket, exposure)
    singles = [k for k in range(len(views)) if k not in members and _is_single(views[k])]
    curves = [fit.usual_curve(channel) for channel in range(3)]
    for number in singles:
        exposure = _by_exif(views[number], chosen, exposures) if is_linked else None
        made[number] = _linearized(views[number], fit.sharing, curves, bracket, exposure)
    return tuple(made)


def common_response(views: Sequence[View]) -> Response | None:
    """The response that was found for all pictures of a bracket; None if there is none."""
    for view in views:
        if isinstance(view.response, Response) and view.response.bracket is not None:
            return view.response if "picture" not in view.response.bracket.sharing else None
    return None


def response_summary(views: Sequence[View]) -> dict[str, Any] | None:
    """What is known of the responses, as `summary.json` has it; None if they are as files say.

    "curves" holds linear values of "stored" ones, for each view and channel.
    """
    known = [view.response for view in views if isinstance(view.response, Response)]
    if not known:
        return None
    found: dict[str, Any] = {}
    bracket = known[0].bracket
    if bracket is not None:
        found = {
            "sharing": bracket.sharing,
            "exposures": bracket.exposures.tolist(),
            "deviations": bracket.deviations.tolist(),
            "by_exif": None if bracket.by_exif is None else bracket.by_exif.tolist(),
            "agrees_with_exif": bracket.agrees_with_exif,
        }
    return {
        "names": [getattr(view.response, "name", AUTO) for view in views],
        **found,
        "stored": np.linspace(0, 1, TABLE_SIZE).tolist(),
        "curves": [
            view.response.table(TABLE_SIZE).round(6).tolist()
            if isinstance(view.response, Response)
            else None
            for view in views
        ],
    }


def _brackets(views: Sequence[View]) -> list[list[int]]:
    """Numbers of the views of each bracket."""
    groups: dict[int, list[int]] = {}
    for number, view in enumerate(views):
        if _is_open(view):
            groups.setdefault(view.sensor, []).append(number)
    return [group for group in groups.values() if _is_bracket([views[k] for k in group])]


def _is_open(view: View) -> bool:
    """Whether a view is a picture of integers whose response is to be found."""
    picture = view.picture
    if picture is None or picture.stored is None or view.response != AUTO:
        return False
    return picture.stored.shape[:2] == view.image.shape[:2]  # else it was cropped since


def _is_single(view: View) -> bool:
    """Whether a view outside brackets may have their response: a photograph with EXIF."""
    return _is_open(view) and view.picture is not None and view.picture.camera.exposure is not None


def _by_exif(view: View, others: Sequence[View], exposures: NDArray[np.float64]) -> float | None:
    """EXIF's exposure of a view, in the unit of the exposures of others; None if they lack it."""
    known = exif_exposures([view, *others])
    return None if known is None else float(np.exp(np.mean(np.log(exposures / known[1:]))))


def _is_bracket(views: Sequence[View]) -> bool:
    """Whether exposures of some views may differ, by what is given and by EXIF."""
    if len(views) < 2:
        return False
    if not all(view.knows_exposure for view in views):
        return True
    given = [float(np.mean(view.exposure)) for view in views]  # type: ignore[arg-type]
    return max(given) > LEAST_RANGE * min(given)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Prior:
    """What is known of exposures.

    Attributes:
        exposures: their prior.
        given: log exposures that are given, NaN for others.
        is_anchored: whether something is known of each.
    """

    exposures: Exposures
    given: NDArray[np.float64]
    is_anchored: bool

    def offset(self, logs: NDArray[np.float64]) -> float:
        """What to add to log exposures relative to the first, so that they are as given."""
        is_given = np.isfinite(self.given)
        return float(np.mean((self.given - logs)[is_given])) if is_given.any() else 0.0


def _prior(views: Sequence[View]) -> _Prior:
    """Exposures are as given, or else near to EXIF's."""
    given = np.array(
        [
            np.log(np.mean(view.exposure)) if view.knows_exposure else np.nan  # type: ignore[arg-type]
            for view in views
        ]
    )
    by_exif = [None if view.picture is None else view.picture.camera.exposure for view in views]
    logs = np.log([exposure or np.nan for exposure in by_exif])
    both = np.isfinite(given) & np.isfinite(logs)
    if both.any():
        logs += np.mean((given - logs)[both])
    elif np.isfinite(given).any():
        logs[:] = np.nan  # EXIF's and given exposures have no common unit
    times = [None if view.picture is None else view.picture.camera.exposure_time for view in views]
    deviations = np.where(np.isfinite(logs), exif_tolerance(times), UNKNOWN)
    deviations[np.isfinite(given)] = GIVEN_TOLERANCE
    logs = np.where(np.isfinite(given), given, logs)
    is_anchored = bool(np.isfinite(logs).all())
    if not is_anchored:
        logs = np.where(np.isfinite(logs), logs, _log_levels(views))
    return _Prior(
        exposures=Exposures(logs=logs, deviations=deviations), given=given, is_anchored=is_anchored
    )


def _log_levels(views: Sequence[View]) -> NDArray[np.float64]:
    """A rough log exposure of each view: its median brightness."""
    return np.array([np.log(np.median(view.image[view.mask > 0]) + 1e-3) for view in views])


def _sampled(brackets: Sequence[Sequence[View]]) -> Samples:
    """Samples of all brackets; those of one say nothing of the pictures of another."""
    found = [sample_bracket([_values(view) for view in bracket]) for bracket in brackets]
    size = sum(map(len, brackets))
    values: list[NDArray[np.float64]] = []
    counts: list[NDArray[np.float64]] = []
    start = 0
    for samples in found:
        count, number, _ = samples.values.shape
        for parts, array in ((values, samples.values), (counts, samples.counts)):
            wide = np.zeros((count, size, 3))
            wide[:, start : start + number] = array
            parts.append(wide)
        start += number
    return Samples(values=np.concatenate(values), counts=np.concatenate(counts))


def _values(view: View) -> NDArray[np.float32]:
    """Values as sRGB would store them by the picture's own encoding, and the mask: (h, w, 4)."""
    picture = view.picture
    assert picture is not None and picture.stored is not None  # noqa: PT018 - of a bracket
    top = np.iinfo(picture.stored.dtype).max
    tables = [curve(np.arange(top + 1) / top).astype(np.float32) for curve in _near_srgb(picture)]
    channels = picture.stored.shape[2]
    planes = [tables[k % len(tables)][picture.stored[:, :, k % channels]] for k in range(3)]
    return np.stack([*planes, (view.mask > 0).astype(np.float32)], axis=-1)


def _near_srgb(picture: Picture) -> tuple[Curve, ...]:
    """From stored values to those that sRGB would store, by the picture's own encoding."""
    curves = SRGB.curves if picture.encoding is None else picture.encoding.curves
    return tuple(partial(_stored_again, curve) for curve in curves)


def _stored_again(curve: Curve, stored: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    return linear_to_srgb(np.clip(curve(stored), 0, 1))


def _linearized(
    view: View,
    sharing: str,
    curves: Sequence[ContrastCurve],
    bracket: Bracket,
    exposure: float | None,
) -> View:
    """A view by the curves of its channels, with its exposure if that is to be set."""
    picture = view.picture
    assert picture is not None
    near = _near_srgb(picture)
    response = Response(
        name="sRGB" if sharing == "sRGB" else "found",
        curves=tuple(
            partial(_linear, curve, near[channel % len(near)])
            for channel, curve in enumerate(curves)
        ),
        bracket=bracket,
    )
    is_open = isinstance(view.exposure, str) and view.exposure == "auto"
    exposed = view if exposure is None or not is_open else replace(view, exposure=exposure)
    if sharing == "sRGB":
        return replace(exposed, response=replace(response, curves=SRGB.curves))
    made = picture.linearized(response.curves)
    return replace(
        exposed,
        image=made.image,
        white=made.white if view.white == picture.white else view.white,
        black=made.black if view.black == picture.black else view.black,
        picture=replace(made, image=made.image[:0], stored=None),
        response=response,
    )


def _linear(
    curve: ContrastCurve, near: Curve, stored: NDArray[np.floating[Any]]
) -> NDArray[np.floating[Any]]:
    return curve.linear(near(stored))
