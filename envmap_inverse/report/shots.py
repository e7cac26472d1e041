"""The pictures of a run: names of their files, exposures, clipped shares, and where they clip."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from envmap_inverse.report.numbers import number
from envmap_inverse.report.tables import Table
from envmap_inverse.run.reading import Run

__all__ = ["NOISE", "file_names", "is_relative", "picture_names", "shots", "white"]

NEAR_WHITE = 0.95
"""Share of the largest value from which the values of a clipped picture count as clipped.

Compression, and the means of a picture that is shrunk, move clipped values that far.
"""


NOISE = (
    "Noise: a value p has the variance read² + shot p + (relative p)², in values of the picture, "
    "where white is 1. What was left out as outliers goes with no map that explains the rest."
)
RADIANCE = {".exr", ".hdr", ".pfm", ".npy", ""}
"""Endings of files that hold radiance; the unit of all others is up to their exposure."""


def is_relative(summary: Mapping[str, Any]) -> bool:
    """Whether the unit of a run's map is not known, as its pictures are photographs."""
    paths = list(map(Path, _given(summary)))
    files = [min(path.iterdir(), default=path) if path.is_dir() else path for path in paths]
    is_free = "auto" in str(summary["settings"].get("exposure"))
    return is_free or any(file.suffix.lower() not in RADIANCE for file in files)


def file_names(summary: Mapping[str, Any]) -> list[str]:
    """The name of each picture's file, without its folders; none if they are not known."""
    listed = _given(summary)
    count = len(summary.get("exposures") or [1])
    return [Path(name).name for name in listed] if len(listed) == count else []


def _given(summary: Mapping[str, Any]) -> list[str]:
    """The pictures as the command line names them."""
    chosen = summary["settings"]
    given = chosen.get("photos") or chosen.get("reference") or []
    return [given] if isinstance(given, str) else [name for name in given if name != ":"]


def picture_names(summary: Mapping[str, Any], count: int) -> list[str]:
    """What to call each of so many pictures: by their files, or numbered from 1."""
    names = file_names(summary) if summary.get("settings") else []
    is_clear = len(names) == count == len(set(names))
    return names if is_clear else [f"picture {number}" for number in range(1, count + 1)]


def white(run: Run, picture: int) -> tuple[float, float, float] | None:
    """The radiance from which red, green and blue of a picture are clipped; None if none is."""
    shares = run.summary.get("clipped_share") or []
    if picture >= len(shares) or not shares[picture]["over"]:
        return None
    reference, _ = run.pictures[picture]
    red, green, blue = NEAR_WHITE * np.nanmax(reference, axis=(0, 1)).astype(float)
    return float(red), float(green), float(blue)


def shots(summary: Mapping[str, Any]) -> Table | None:
    """Exposure, clipped shares, noise and outliers of each picture; None if not known."""
    exposures, shares = summary.get("exposures"), summary.get("clipped_share")
    if not exposures or not shares or len(exposures) != len(shares):
        return None
    names = picture_names(summary, len(shares))
    columns: dict[str, list[str]] = {
        "exposure": [_exposure(found) for found in exposures],
        "clipped at white": [_percent(share["over"]) for share in shares],
        "clipped at black": [_percent(share["under"]) for share in shares],
    }
    if len(noise := summary.get("noise") or ()) == len(names):
        for part in ("read", "shot", "relative"):
            columns[f"noise: {part}"] = [f"{each[part]:.2g}" for each in noise]
    if len(outliers := summary.get("outlier_share") or ()) == len(names):
        columns["left out"] = [_percent(share) for share in outliers]
    rows = zip(names, zip(*columns.values(), strict=True), strict=True)
    return Table(columns=list(columns), rows=[(name, list(cells)) for name, cells in rows])


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def _exposure(channels: list[float]) -> str:
    """One number if it is the same for red, green and blue."""
    return number(channels[0] if len(set(channels)) == 1 else channels)
