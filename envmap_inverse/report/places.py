"""Where the pictures of a run lie: shifts that were mended, crops, and what was cut out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from envmap_inverse.report.shots import picture_names
from envmap_inverse.report.tables import Table

__all__ = ["places"]


def places(summary: Mapping[str, Any]) -> Table | None:
    """Shift, crop and window of each picture; None if no picture has any."""
    columns = {
        "shifted by": [_shift(found) for found in summary.get("shifts", ())],
        "shows of the whole": [_part(found) for found in summary.get("crops", ())],
        "cut to": [_part(found) for found in summary.get("windows", ())],
    }
    used = {name: cells for name, cells in columns.items() if any(cells)}
    if not used:
        return None
    rows = [[*cells] for cells in zip(*used.values(), strict=True)]
    names = picture_names(summary, len(rows))
    return Table(columns=list(used), rows=list(zip(names, rows, strict=True)))


def _shift(found: Sequence[float] | None) -> str:
    return "" if found is None else "{:+.2f}, {:+.2f} px".format(*found)


def _part(found: Sequence[float] | None) -> str:
    if found is None:
        return ""
    x, y, width, height = found
    return f"{width:.0f} × {height:.0f} px from {x:.4g}, {y:.4g}"
