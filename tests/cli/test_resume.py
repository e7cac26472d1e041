"""Runs that are killed and go on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from envmap_inverse.images import read_image

Call = Callable[..., Any]
OPTIONS = {
    "adam": ("--optimizer", "adam", "--iterations", "60", "--threads", "1"),
    "transport": ("--optimizer", "transport", "--spp", "16"),
}


def command(inputs: Path, folder: Path, *options: str) -> list[str]:
    files = [str(inputs / name) for name in ("scene.xml", "reference.exr")]
    truth = ["--ground-truth", str(inputs / "map.exr")]
    settings = ["--no-report", "--checkpoint-every", "0", "--trust-input", *truth]
    return ["estimate", *files, "-o", str(folder), *settings, *options]


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", list(OPTIONS))
def test_a_killed_run_ends_bit_equal(
    call: Call, start: Call, inputs: Path, tmp_path: Path, name: str
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert call(*command(inputs, whole, *OPTIONS[name])).returncode == 0
    with start(*command(inputs, killed, *OPTIONS[name])) as process:
        history = killed / "history.jsonl"
        while process.poll() is None and not (history.exists() and len(lines(killed)) > 1):
            time.sleep(0.002)
        process.kill()
    done = call(*command(inputs, killed, *OPTIONS[name]), "--resume")
    assert (done.returncode, done.stderr) == (0, "")
    np.testing.assert_array_equal(
        read_image(killed / "envmap.exr"), read_image(whole / "envmap.exr")
    )
    for key in ("index", "loss", "error"):
        assert [line[key] for line in lines(killed)] == [line[key] for line in lines(whole)]
    assert not list(killed.glob("checkpoint_*"))


def test_a_complete_run_is_not_resumed(call: Call, inputs: Path, tmp_path: Path) -> None:
    arguments = command(inputs, tmp_path / "run", "--iterations", "2")
    assert call(*arguments).returncode == 0
    done = call(*arguments, "--resume")
    assert done.returncode == 2
    assert "complete; there is nothing to resume" in done.stderr


def test_other_settings_are_refused_by_name(call: Call, inputs: Path, tmp_path: Path) -> None:
    arguments = command(inputs, tmp_path / "run", "--iterations", "2")
    assert call(*arguments).returncode == 0
    (tmp_path / "run" / "summary.json").unlink()
    done = call(*arguments, "--seed", "3", "--resume")
    assert done.returncode == 2
    assert "seed is 3, was 0" in done.stderr


def test_resuming_begins_a_run_that_is_not_there(call: Call, inputs: Path, tmp_path: Path) -> None:
    done = call(*command(inputs, tmp_path / "run", "--iterations", "2", "--resume"))
    assert done.returncode == 0
    assert len(lines(tmp_path / "run")) >= 4  # passes, a warm-up and rounds
