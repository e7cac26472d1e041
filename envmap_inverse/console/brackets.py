"""Exposures and the camera's response, from the pictures of a command; printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from envmap_inverse.console.output import tell
from envmap_inverse.errors import counted
from envmap_inverse.images.picture import CameraSettings
from envmap_inverse.images.response import Bracket
from envmap_inverse.problem.brackets import (
    LEAST_RANGE,
    exif_exposures,
    with_found_responses,
)
from envmap_inverse.problem.view import View

__all__ = ["developed"]


def _opened(views: Sequence[View]) -> list[View]:
    """Leave the exposures of each sensor's pictures open where EXIF says that they differ.

    Then single pictures beside them are open, too, as all exposures are relative to the first's.
    """
    made = list(views)
    for sensor in {view.sensor for view in views}:
        members = [number for number, view in enumerate(views) if view.sensor == sensor]
        by_exif = exif_exposures([views[number] for number in members])
        if by_exif is not None and by_exif.max() > LEAST_RANGE * by_exif.min():
            for number in members:
                made[number] = replace(views[number], exposure="auto")
    if all(view.knows_exposure for view in made):
        return made
    return [
        replace(view, exposure="auto") if exif_exposures([view]) is not None else view
        for view in made
    ]


def developed(views: Sequence[View], *, is_exposure_given: bool) -> list[View]:
    """Find the response and the exposures that are open; print what was found.

    Args:
        views: at the size of their pictures.
        is_exposure_given: whether --exposure is; else exposures are open where EXIF says that they
            differ, and EXIF's stand if none are found.
    """
    made = list(with_found_responses(views if is_exposure_given else _opened(views)))
    brackets = {
        id(bracket): bracket
        for view in made
        if (bracket := getattr(view.response, "bracket", None)) is not None
    }
    for bracket in brackets.values():
        _say(bracket)
    if brackets:
        return made
    if any(_is_photograph(view) for view in views):
        tell(
            "response: sRGB's, as one picture says nothing of its camera's; light and dark may be "
            "off by a factor of 2. Several exposures tell more, or --response"
        )
    return made if is_exposure_given else _by_exif(made)


def _by_exif(views: Sequence[View]) -> list[View]:
    """Views with EXIF's exposures in place of open ones."""
    by_exif = exif_exposures(views)
    is_open = [not view.knows_exposure for view in views]
    if not any(is_open):
        return list(views)
    if by_exif is None:
        tell(
            "exposures: found with the map, as not all pictures have EXIF's time, f-number and ISO"
        )
        return list(views)
    tell(f"exposures by EXIF: {_listed(by_exif)} (--exposure auto finds them with the map)")
    return [
        replace(view, exposure=float(exposure)) if is_free else view
        for view, exposure, is_free in zip(views, by_exif, is_open, strict=True)
    ]


def _is_photograph(view: View) -> bool:
    """Whether a picture is a camera's, to be linearized by a curve that is not known."""
    picture = view.picture
    if picture is None or picture.stored is None or view.response != "auto":
        return False
    return picture.camera != CameraSettings()


def _say(bracket: Bracket) -> None:
    count = counted(len(bracket.exposures), "picture")
    curve = "sRGB's" if bracket.sharing == "sRGB" else bracket.sharing
    tell(f"response: {curve}, found from {count}")
    shares = [
        f"{exposure:.4g}" if deviation == 0 else f"{exposure:.4g} +-{deviation:.1%}"
        for exposure, deviation in zip(bracket.exposures, bracket.deviations, strict=True)
    ]
    tell(f"exposures found: {', '.join(shares)}")
    if bracket.by_exif is None or bracket.most_off is None:
        tell(
            "not all pictures have EXIF's time, f-number and ISO: a power of all exposures is only "
            "guessed; give --exposure if you know them"
        )
        return
    verb = "agrees" if bracket.agrees_with_exif else "disagrees"
    tell(f"EXIF {verb}: {_listed(bracket.by_exif)}, {bracket.most_off:.0%} off at most")


def _listed(exposures: Sequence[float] | np.ndarray) -> str:
    return ", ".join(f"{exposure:.4g}" for exposure in exposures)
