"""Plot the response of the camera that took a run's pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from envmap_inverse.images import srgb_to_linear
from envmap_inverse.report.shots import picture_names
from envmap_inverse.report.tables import Table

__all__ = ["Line", "exposures_found", "response_lines"]

WIDTH, HEIGHT, STOPS = 320, 200, 8
NUM_SERIES = 8
"""Colours of the page."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A curve as an SVG polyline, in a box of WIDTH x HEIGHT.

    Attributes:
        name: of the curve.
        points: x and y of its points: stops below white, and stored values.
        series: number of its colour; None for sRGB.
    """

    name: str
    points: str
    series: int | None


def response_lines(summary: Mapping[str, Any]) -> list[Line]:
    """The curve of sRGB and the green ones of the pictures, each once; [] without any."""
    known = summary.get("response")
    if not known:
        return []
    stored = np.array(known["stored"])
    return [
        Line(name="sRGB", points=_points(stored, srgb_to_linear(stored)), series=None),
        *_found(known, stored),
    ]


def exposures_found(summary: Mapping[str, Any]) -> Table | None:
    """The exposures that were found with the response; None if none were."""
    known = summary.get("response") or {}
    if "exposures" not in known:
        return None
    by_exif, names = known["by_exif"], picture_names(summary, len(known["exposures"]))
    return Table(
        columns=["found", "deviation", *(["EXIF", "off EXIF"] if by_exif else [])],
        rows=[
            (
                name,
                [
                    f"{exposure:.4g}",
                    f"{100 * deviation:.1f} %",
                    *(_beside(exposure, by_exif[number]) if by_exif else ()),
                ],
            )
            for number, (name, exposure, deviation) in enumerate(
                zip(names, known["exposures"], known["deviations"], strict=True)
            )
        ],
    )


def _beside(exposure: float, by_exif: float) -> tuple[str, str]:
    return f"{by_exif:.4g}", f"{100 * (exposure / by_exif - 1):+.1f} %"


def _found(known: Mapping[str, Any], stored: np.ndarray) -> Iterator[Line]:
    points = [
        None if curves is None else _points(stored, np.array(curves[1]))
        for curves in known["curves"]
    ]
    alike = sorted({each for each in points if each is not None}, key=points.index)
    for number, each in enumerate(alike):
        names = [str(picture) for picture, other in enumerate(points, 1) if other == each]
        word = "picture" if len(names) == 1 else "pictures"
        listed = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
        yield Line(name=f"{word} {listed}", points=each, series=number % NUM_SERIES)


def _points(stored: np.ndarray, linear: np.ndarray) -> str:
    stops = np.log2(np.maximum(linear, 1e-6))
    inside = stops >= -STOPS
    x = WIDTH * (1 + stops[inside] / STOPS)
    y = HEIGHT * (1 - stored[inside])
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
