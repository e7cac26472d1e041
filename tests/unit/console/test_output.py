from __future__ import annotations

import io
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from envmap_inverse import Iteration
from envmap_inverse.console import output as console
from envmap_inverse.console.output import comparison_table, errors_disagree
from envmap_inverse.solving.estimate import numbers_of


def iteration(index: int, **numbers: Any) -> Iteration:
    picture = np.ones((2, 4, 3), np.float32)
    arrays = {"texels_on_device": lambda: picture, "image_on_device": lambda: picture}
    return Iteration(index=index, **{"seconds": 0.5, **numbers, **arrays})


@pytest.mark.parametrize(
    ("numbers", "metrics", "expected"),
    [
        (
            {"error": 39400.25, "loss": 0.125},
            {"log_rmse": 0.75, "rmse": 9.0},
            "sum of squared errors 39400.2, log RMSE 0.75, loss 0.125",
        ),
        ({"error": 7.5, "loss": 0.125}, {}, "sum of squared errors 7.5, loss 0.125"),
        ({"error": None, "loss": 1e-9}, {}, "loss 1e-09"),
    ],
)
def test_errors_and_loss_have_their_names(
    numbers: dict[str, Any], metrics: dict[str, float], expected: str
) -> None:
    assert numbers_of(iteration(3, **numbers), metrics) == expected


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((9.0, 2.0), (8.0, 1.0), False),
        ((9.0, 1.0), (8.0, 2.0), True),
        ((8.0, 2.0), (9.0, 1.0), True),
        ((9.0, 1.0), (8.0, 1.0), False),
        ((None, 1.0), (8.0, 2.0), False),
        ((9.0, None), (8.0, 2.0), False),
        ((0.0, 1.0), (8.0, 0.5), True),
    ],
)
def test_errors_disagree_where_each_prefers_another_map(
    first: console.Errors, second: console.Errors, expected: bool
) -> None:
    assert errors_disagree(first, second) == expected


class Unheard(io.StringIO):
    """A stream whose reader has gone."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.descriptor = descriptor

    def flush(self) -> None:
        raise BrokenPipeError

    def fileno(self) -> int:
        return self.descriptor


def test_what_nobody_hears_goes_nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "pipe").open("w") as pipe, Path(os.devnull).open("w") as nowhere:
        monkeypatch.setattr(sys, "stdout", Unheard(pipe.fileno()))
        console.say("anyone?")
        monkeypatch.undo()
        assert os.path.sameopenfile(pipe.fileno(), nowhere.fileno())


def test_why_a_line_of_standard_output_is_lost_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    losses: list[str] = []
    monkeypatch.setattr(console, "_losses", losses)
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        console.say("a line")
        monkeypatch.undo()
    assert losses == ["No space left on device"]


def test_the_demos_table_has_both_runs_with_units_and_ratios() -> None:
    def summary(seconds: float, error: float, angle: float, log: float) -> dict[str, Any]:
        metrics = {"angular_mean_deg": angle, "log_rmse": log}
        return {"seconds": {"optimize": seconds}, "error": error, "metrics": metrics}

    text = io.StringIO()
    table = comparison_table(summary(2, 5000, 1.5, 0.25), summary(8, 20000, 6, 1))
    Console(file=text, width=140).print(table)
    heads, ours, tutorial, ratios = re.findall(
        r"[^\n]*(?:radiance|Tran|Adam|/)[^\n]*", text.getvalue()
    )
    assert re.search(r"errors, radiance\^2 .* degrees .* factors of e", heads)
    assert re.search(r"ours: Transport\(\) +│ 2\.00 +│ 5,000 +│ 1\.5 +│ 0\.25", ours)
    assert re.search(r"the tutorial's: Adam\(\) +│ 8\.00 +│ 20,000 +│ 6 +│ 1 ", tutorial)
    assert re.search(r"ours / the tutorial's +│ 0\.25 +│ 0\.25 +│ 0\.25 +│ 0\.25", ratios)


def test_a_pipe_takes_a_wide_table_whole(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(*[f"the heading of column {number}" for number in range(5)])
    console.say_table(table)
    assert "the heading of column 4" in capsys.readouterr().out.splitlines()[1]


def test_progress_notes_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    console.note("rendering")
    assert capsys.readouterr() == ("", "rendering\n")
