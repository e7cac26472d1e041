"""What a run has refined, kept so that a resumed run does not search again."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from envmap_inverse.refining.search import Refinement, Refiner
from envmap_inverse.solving import layout
from envmap_inverse.system.reading import read_whole
from envmap_inverse.system.strict_json import to_json
from envmap_inverse.system.structured import parse_json
from envmap_inverse.system.writing import write_bytes

__all__ = ["kept_refinement"]


def kept_refinement(
    folder: Path,
    refiner: Refiner,
    marks: Mapping[str, str],
    search: Callable[[], Refinement | None],
) -> Refinement | None:
    """The refinement that a run's folder has, with which the scene is set; or a new one, kept.

    Args:
        folder: of the run.
        refiner: sets the scene.
        marks: what the search follows from, see `fingerprints`.
        search: makes a new one; None if it was interrupted.
    """
    path = folder / layout.REFINED
    found = _read(path)
    if found is not None and found.get("marks") == dict(marks):
        return refiner.refinement(found["coordinates"], found["deviations"])
    made = search()
    if made is not None:
        content = {
            "marks": dict(marks),
            "coordinates": list(made.coordinates),
            "deviations": list(made.deviations),
        }
        write_bytes(path, f"{to_json(content, indent=2)}\n".encode())
    return made


def _read(path: Path) -> dict[str, Any] | None:
    """The content of the file; None if there is none, or it is damaged."""
    try:
        found = parse_json(read_whole(path))
    except (OSError, ValueError):
        return None
    if not (isinstance(found, dict) and {"marks", "coordinates", "deviations"} <= found.keys()):
        return None
    numbers = found["coordinates"], found["deviations"]
    is_whole = all(isinstance(each, list) and all(map(_is_number, each)) for each in numbers)
    return found if is_whole and len(numbers[0]) == len(numbers[1]) else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
