"""`python -m benchmarks` on tiny films: its numbers mean nothing here, its files do."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from envmap_inverse.images import read_image

Run = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parents[2]
PARTS = "cost,sequences,curves"


@pytest.fixture(scope="module")
def run(environment: dict[str, str]) -> Run:
    def make(*arguments: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "benchmarks", "--quick", "--shrink", "64", *arguments]
        return subprocess.run(
            list(map(str, command)),
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return make


@pytest.fixture(scope="module")
def done(run: Run, folder: Path) -> subprocess.CompletedProcess[str]:
    return run("--only", PARTS, "-o", folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("benchmarks")


@pytest.fixture(scope="module")
def tables(done: subprocess.CompletedProcess[str], folder: Path) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())["tables"]
    return found


def test_what_is_printed_is_what_is_written(
    done: subprocess.CompletedProcess[str], tables: dict[str, Any], folder: Path
) -> None:
    assert (folder / "results.md").read_text().endswith(done.stdout)
    rows = tables["cost"]["rows"]
    assert [(row["film"], row["spp"]) for row in rows] == [("4^2", 16), ("8^2", 16)]
    for row in rows:
        seconds = row["record s"]
        assert 0 < seconds["min"] <= seconds["median"] <= seconds["max"]
        assert f"| {row['film']} | 16 | " in done.stdout
    results = json.loads((folder / "results.json").read_text())
    assert results["cores"] >= 1


def test_every_module_can_be_imported(environment: dict[str, str]) -> None:
    names = sorted(path.stem for path in (ROOT / "benchmarks").glob("[!_]*.py"))
    code = f"import {', '.join(f'benchmarks.{name}' for name in names)}"
    subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=ROOT, env=environment, check=True
    )


def test_an_unknown_part_is_refused(run: Run, tmp_path: Path) -> None:
    done = run("--only", "cost,speed", "-o", tmp_path / "none")
    assert done.returncode == 2
    assert "--only: no speed; there are adam, bunny" in done.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_sequences_are_followed(tables: dict[str, Any]) -> None:
    rows = tables["sequences"]["rows"]
    assert [row["light"] for row in rows] == ["constant", "a sun that moves"]
    assert all(row["frames a second"] > 0 for row in rows)


@pytest.mark.slow
def test_curves_are_drawn(folder: Path) -> None:
    assert np.ptp(read_image(folder / "errors.png")) > 0
