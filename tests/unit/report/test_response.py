"""The plot of a camera's response."""

from __future__ import annotations

import numpy as np

from envmap_inverse.images.response import as_response
from envmap_inverse.report.response import exposures_found, response_lines


def summary(*names: str) -> dict[str, object]:
    return {
        "response": {
            "stored": np.linspace(0, 1, 9).tolist(),
            "curves": [as_response(name).table(9).tolist() for name in names],
            "exposures": [1.0, 0.25],
            "deviations": [0.0, 0.031],
            "by_exif": None,
        }
    }


def test_curves_that_are_alike_are_drawn_once() -> None:
    lines = response_lines(summary("gamma:3", "gamma:3", "gamma:2"))
    assert [line.name for line in lines] == ["sRGB", "pictures 1 to 2", "picture 3"]
    assert [line.series for line in lines] == [None, 0, 1]


def test_lines_end_at_white_in_the_upper_right_corner() -> None:
    for line in response_lines(summary("linear")):
        assert line.points.split()[-1] == "320.0,0.0"


def test_runs_without_a_response_have_no_plot() -> None:
    assert response_lines({}) == []
    assert response_lines({"response": None}) == []
    assert exposures_found({}) is None


def test_exposures_are_listed_without_exif_too() -> None:
    table = exposures_found(summary("srgb"))
    assert table is not None
    assert table.columns == ["found", "deviation"]
    assert table.rows[1] == ("picture 2", ["0.25", "3.1 %"])


def test_exposures_are_compared_with_exif() -> None:
    known = summary("srgb")
    known["response"]["by_exif"] = [1.0, 0.24]  # type: ignore[index]
    table = exposures_found(known)
    assert table is not None
    assert table.columns == ["found", "deviation", "EXIF", "off EXIF"]
    assert table.rows[1] == ("picture 2", ["0.25", "3.1 %", "0.24", "+4.2 %"])
