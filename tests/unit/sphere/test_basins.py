from __future__ import annotations

import numpy as np

from envmap_inverse.sphere.basins import basins, grown


def regions_of(rows: list[list[float]], saddle: float = 0.5) -> list[list[int]]:
    values = np.array(rows, float)
    return basins(values, values > 0, saddle).tolist()


def test_touching_texels_are_one_region() -> None:
    assert regions_of([[0] * 5, [0, 1, 0, 0, 0], [0, 0, 2, 0, 3], [0] * 5]) == [
        [0] * 5,
        [0, 2, 0, 0, 0],
        [0, 0, 2, 0, 1],
        [0] * 5,
    ]


def test_a_deep_saddle_parts_two_peaks_and_a_shallow_one_does_not() -> None:
    assert regions_of([[0] * 6, [4, 1, 3, 0, 0, 0], [0] * 6])[1] == [1, 1, 2, 0, 0, 0]
    assert regions_of([[0] * 6, [4, 2, 3, 0, 0, 0], [0] * 6])[1] == [1, 1, 1, 0, 0, 0]


def test_regions_go_on_across_the_seam_and_over_the_pole() -> None:
    assert regions_of([[0] * 5, [3, 0, 0, 0, 3], [0] * 5])[1] == [1, 0, 0, 0, 1]
    assert regions_of([[3, 0, 0, 3, 0], [0] * 5, [0] * 5])[0] == [1, 0, 0, 1, 0]


def test_nothing_bright_makes_no_region() -> None:
    assert regions_of([[0] * 3, [0] * 3]) == [[0] * 3, [0] * 3]


def test_regions_reach_on_downhill_to_their_floors() -> None:
    values = np.array([[0] * 7, [0, 2, 5, 9, 4, 6, 0], [0] * 7], float)
    numbers = np.zeros((3, 7), np.intp)
    numbers[1, 3] = 1
    assert grown(values, numbers, np.array([4.5]))[1].tolist() == [0, 0, 1, 1, 0, 0, 0]
    # Not across the dip on the right, from where the values rise again.
    assert grown(values, numbers, np.array([1.0]))[1].tolist() == [0, 1, 1, 1, 1, 0, 0]
