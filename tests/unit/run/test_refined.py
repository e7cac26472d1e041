from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from envmap_inverse.refining.search import Refinement
from envmap_inverse.run.refined import kept_refinement

MARKS = {"the scene": "abc"}
FOUND = Refinement(numbers={}, values={}, coordinates=(0.5, 2.0), deviations=(0.1, 0.2))


class Refiner:
    """Notes what the scene is set to."""

    def refinement(self, coordinates: Any, deviations: Any) -> Refinement:
        return Refinement(
            numbers={}, values={}, coordinates=tuple(coordinates), deviations=tuple(deviations)
        )


def kept(folder: Path, found: Refinement | None, marks: dict[str, str] = MARKS) -> Any:
    refiner: Any = Refiner()
    return kept_refinement(folder, refiner, marks, lambda: found)


def test_a_resumed_run_does_not_search_again(tmp_path: Path) -> None:
    assert kept(tmp_path, FOUND) == FOUND
    other = Refinement(numbers={}, values={}, coordinates=(9.0, 9.0), deviations=(9.0, 9.0))
    assert kept(tmp_path, other) == FOUND


def test_another_scene_is_searched_again(tmp_path: Path) -> None:
    kept(tmp_path, FOUND)
    other = Refinement(numbers={}, values={}, coordinates=(9.0, 9.0), deviations=(9.0, 9.0))
    assert kept(tmp_path, other, {"the scene": "other"}) == other


def test_an_interrupted_search_is_not_kept(tmp_path: Path) -> None:
    assert kept(tmp_path, None) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "{}", json.dumps({"marks": MARKS})),
        json.dumps({"marks": MARKS, "coordinates": ["x"], "deviations": [1]}),
        json.dumps({"marks": MARKS, "coordinates": [1], "deviations": 1}),
    ],
)
def test_a_damaged_file_is_replaced(tmp_path: Path, content: str) -> None:
    (tmp_path / "refined.json").write_text(content)
    assert kept(tmp_path, FOUND) == FOUND
    assert json.loads((tmp_path / "refined.json").read_text())["coordinates"] == [0.5, 2.0]
