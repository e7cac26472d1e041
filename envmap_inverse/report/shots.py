"""The pictures of a run: names of their files, exposures, clipped shares, and where they clip."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from envmap_inverse.report.numbers import number
from envmap_inverse.report.tables import Table
from envmap_inverse.run.reading import Run

__all__ = ["file_names", "picture_names", "shots", "white"]

NEAR_WHITE = 0.95
"""Share of the largest value from which the values of a clipped picture count as clipped.

Compression, and the means of a picture that is shrunk, move clipped values that far.
"""


def file_names(summary: Mapping[str, Any]) -> list[str]:
    """The name of each picture's file, without its folders; none if they are not known."""
    chosen = summary["settings"]
    given = chosen.get("photos") or chosen.get("reference") or []
    listed = [given] if isinstance(given, str) else [name for name in given if name != ":"]
    count = len(summary.get("exposures") or [1])
    return [Path(name).name for name in listed] if len(listed) == count else []


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
    """Exposure and clipped shares of each picture; None if they are not known."""
    exposures, shares = summary.get("exposures"), summary.get("clipped_share")
    if not exposures or not shares or len(exposures) != len(shares):
        return None
    rows = zip(picture_names(summary, len(shares)), exposures, shares, strict=True)
    return Table(
        columns=["exposure", "clipped at white", "clipped at black"],
        rows=[
            (name, [_exposure(found), *(f"{100 * share[key]:.2g} %" for key in ("over", "under"))])
            for name, found, share in rows
        ],
    )


def _exposure(channels: list[float]) -> str:
    """One number if it is the same for red, green and blue."""
    return number(channels[0] if len(set(channels)) == 1 else channels)
