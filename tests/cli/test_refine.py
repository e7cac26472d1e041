"""Runs that refine the scene first."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("refined") / "run"


def command(inputs: Path, folder: Path, *more: str) -> list[str]:
    files = [str(inputs / name) for name in ("scene.xml", "reference.exr")]
    return ["estimate", *files, "-o", str(folder), "--refine", "fov", "--trust-input", *more]


def summary_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return found


def test_numbers_are_reported_before_and_after(call: Call, inputs: Path, folder: Path) -> None:
    done = call(*command(inputs, folder))
    assert done.returncode == 0, done.stderr
    assert "refined: camera fov" in done.stdout
    assert "degrees (given 40)" in done.stdout
    summary = summary_of(folder)
    number = summary["refined"]["camera fov"]
    assert abs(number["after"] - 40) < 3 * number["deviation"]
    assert summary["refined_parameters"]["camera.x_fov"] == pytest.approx(number["after"])
    assert summary["seconds"]["refine"] > 0
    assert "Refined numbers of the scene" in (folder / "report.html").read_text()


def test_a_resumed_run_takes_the_numbers_that_were_found(
    call: Call, inputs: Path, folder: Path
) -> None:
    (folder / "summary.json").unlink()
    kept = folder / "refined.json"
    found = json.loads(kept.read_text())
    found["coordinates"] = [3.0]  # which no search would find
    kept.write_text(json.dumps(found))
    done = call(*command(inputs, folder, "--resume"))
    assert done.returncode in {0, 1}, done.stderr  # the map may explain nothing
    assert summary_of(folder)["refined"]["camera fov"]["after"] == pytest.approx(43)


def test_a_name_that_cannot_be_refined_is_refused(call: Call, inputs: Path, tmp_path: Path) -> None:
    done = call(
        "estimate",
        str(inputs / "scene.xml"),
        "none.exr",
        "-o",
        str(tmp_path / "run"),
        "--refine",
        "camra",
    )
    assert done.returncode == 2
    assert "--refine 'camra': no 'camra'" in done.stderr
    assert "Traceback" not in done.stderr
