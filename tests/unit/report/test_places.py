"""The table of where pictures lie."""

from __future__ import annotations

from envmap_inverse.report.places import places


def test_a_column_is_there_for_what_happened_to_a_picture() -> None:
    summary = {
        "shifts": [None, [1.5, -0.25]],
        "crops": [None, None],
        "windows": [[3, 4, 20, 10], [3, 4, 20, 10]],
    }
    table = places(summary)
    assert table is not None
    assert table.columns == ["shifted by", "cut to"]
    assert table.rows == [
        ("picture 1", ["", "20 × 10 px from 3, 4"]),
        ("picture 2", ["+1.50, -0.25 px", "20 × 10 px from 3, 4"]),
    ]


def test_pictures_that_lie_where_they_should_have_no_table() -> None:
    assert places({"shifts": [None], "crops": [None], "windows": [None]}) is None
    assert places({}) is None  # a folder of an older version
