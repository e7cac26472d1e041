"""Which pictures of a ball are of which viewpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from envmap_inverse import InputError
from envmap_inverse.console.ball_problem import moved_with
from envmap_inverse.console.ball_viewpoints import one_for_each, pictures_by_viewpoint
from envmap_inverse.problem.view import View


def paths(*names: str) -> list[Path]:
    return [Path(name) for name in names]


def test_a_colon_begins_another_viewpoint() -> None:
    found, viewpoints = pictures_by_viewpoint(paths("a", "b", ":", "c", ":", "d"))
    assert found == paths("a", "b", "c", "d")
    assert viewpoints == [0, 0, 1, 2]


def test_no_pictures_are_no_fault_of_viewpoints() -> None:
    assert pictures_by_viewpoint([]) == ([], [])


@pytest.mark.parametrize("names", [(":", "a"), ("a", ":"), ("a", ":", ":", "b")])
def test_a_viewpoint_without_pictures_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="':' stands between the pictures of two viewpoints"):
        pictures_by_viewpoint(paths(*names))


@pytest.mark.parametrize(
    ("values", "each"), [([5], [5, 5, 5]), ([5, 6], [5, 5, 6]), ([5, 6, 7], [5, 6, 7])]
)
def test_a_value_is_for_all_for_a_viewpoint_or_for_a_picture(
    values: list[int], each: list[int]
) -> None:
    assert one_for_each("--circle", values, [0, 0, 1]) == each


def test_another_number_of_values_is_refused() -> None:
    with pytest.raises(InputError, match="--circle has 4 values for 2 viewpoints with 3 pictures"):
        one_for_each("--circle", [1, 2, 3, 4], [0, 0, 1])
    with pytest.raises(InputError, match="--circle has 3 values for 2 pictures"):
        one_for_each("--circle", [1, 2, 3], [0, 0])


def test_a_whole_picture_is_averaged_down_and_moved_as_its_part_was() -> None:
    image = np.zeros((40, 40, 3), np.float32)
    image[20, 10] = 1
    fit = View(np.ones((20, 20, 3), np.float32))
    object.__setattr__(fit, "shift", (1.0, -2.0))
    found = moved_with(View(image), fit)
    assert found.image.shape == (20, 20, 3)
    assert found.image[12, 4, 0] == 0.25
