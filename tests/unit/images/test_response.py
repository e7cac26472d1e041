"""Response curves that are named or read from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from envmap_inverse.errors import InputError, MissingFileError
from envmap_inverse.images import srgb_to_linear
from envmap_inverse.images.response import as_response, exif_tolerance

STORED = np.linspace(0, 1, 5)


def test_named_curves_are_these_functions() -> None:
    for name, curve in {
        "srgb": srgb_to_linear(STORED),
        "linear": STORED,
        "gamma:2": STORED**2,
    }.items():
        np.testing.assert_allclose(as_response(name).table(5), np.stack([curve] * 3))


@pytest.mark.parametrize(
    "text",
    ["0 0\n0.5 0.25\n1 1\n", "value,linear\n0,0\n127.5,0.5\n255,2\n", "# ours\n0;0\n.5;.25\n1;1"],
    ids=["spaces", "commas, a heading, 0 to 255", "semicolons, a comment"],
)
def test_a_file_has_a_table(tmp_path: Path, text: str) -> None:
    (tmp_path / "curve.csv").write_text(text)
    found = as_response(tmp_path / "curve.csv").table(3)
    np.testing.assert_allclose(found, [[0, 0.25, 1]] * 3)


def test_a_table_may_have_a_column_per_channel(tmp_path: Path) -> None:
    (tmp_path / "curve.csv").write_text("0 0 0 0\n0.5 0.1 0.2 0.3\n1 1 1 1\n")
    found = as_response(tmp_path / "curve.csv").table(3)
    np.testing.assert_allclose(found[:, 1], [0.1, 0.2, 0.3])


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("0 0\n0.6 0.5\n0.5 0.6\n1 1\n", "stored values must rise; number 3 is 0.5 after 0.6"),
        ("0 0\n0.5 0.7\n1 0.6\n", "linear values must rise; number 3 is 0.6 after 0.7"),
        ("0 0\n1 nan\n", "is no table of a response; each line must have a stored value"),
        ("0 0 0\n1 1 1\n", "each line must have a stored value and its linear value, or three"),
        ("0 0\n", "is no table of a response"),
        ("a poem\nof two lines\n", "is no table of a response"),
        ("-1 0\n1 1\n", "values must lie from 0 to 1, or stored ones from 0 to 255"),
    ],
    ids=["not rising", "falling", "NaN", "three columns", "one line", "words", "negative"],
)
def test_what_is_no_curve_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "curve.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        as_response(path)
    assert fault in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_table_that_was_written_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "response.csv").write_text(as_response("srgb").as_csv())
    again = as_response(tmp_path / "response.csv").table(256)
    np.testing.assert_allclose(again, as_response("srgb").table(256), atol=1e-8)


def test_a_picture_is_no_curve(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0" * 9)
    with pytest.raises(InputError, match="is no table of a response"):
        as_response(tmp_path / "a.jpg")


@pytest.mark.parametrize("gamma", ["0", "-1", "nan", "two", ""])
def test_gamma_must_be_positive(gamma: str) -> None:
    with pytest.raises(InputError, match="gamma must be a positive number"):
        as_response(f"gamma:{gamma}")


def test_a_missing_file_is_named_with_the_choices() -> None:
    with pytest.raises(MissingFileError, match=r"debevec: no such response; give auto, srgb"):
        as_response("debevec")


@pytest.mark.parametrize(
    ("times", "tolerance"),
    [
        ([1 / 60, 1 / 15, 0.25, 1 / 2.5, 2.0], 0.05),
        ([None, None], 0.05),
        ([1 / 60, 1 / 205], 0.02),
        ([1 / 24, None], 0.02),
    ],
)
def test_times_that_no_dial_has_are_exact(times: list[float | None], tolerance: float) -> None:
    assert exif_tolerance(times) == tolerance
