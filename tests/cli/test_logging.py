from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from envmap_inverse.images import write_image

Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def logged(
    call: Call, inputs: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The folder of a quiet run of a picture with a negative value, and how it ended."""
    folder = tmp_path_factory.mktemp("logged")
    image = np.ones((8, 8, 3), np.float32)
    image[0, 0, 0] = -1
    write_image(folder / "negative.exr", image)
    done = call(
        *("-q", "--log-file", folder / "log.txt", "estimate", "scene.xml"),
        *(folder / "negative.exr", "-o", folder / "run", "--iterations", 2),
        cwd=inputs,
    )
    assert done.returncode == 0, done.stderr
    return folder, done


def test_a_quiet_run_tells_warnings_alone(
    logged: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    _, done = logged
    assert done.stdout == ""
    assert re.fullmatch(r"warning: .*negative\.exr: 1 values are negative.*\n", done.stderr)


def test_the_summary_holds_every_warning_of_the_run(
    logged: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = logged
    (warning,) = json.loads((folder / "run" / "summary.json").read_text())["warnings"]
    assert "negative.exr: 1 values are negative" in warning


def test_a_log_file_tells_everything_with_times_and_modules(
    logged: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    lines = (logged[0] / "log.txt").read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d [\d:,]+ [A-Z]+ envmap_inverse", line) for line in lines)
    text = "\n".join(lines)
    assert re.search("INFO envmap_inverse.scene.scene: loaded scene.xml", text)
    assert re.search("INFO envmap_inverse.solving.estimate: done", text)
    assert re.search("DEBUG envmap_inverse.system.writing: wrote .*envmap.exr", text)
    assert re.search("WARNING envmap_inverse: .*values are negative", text)


def test_two_vs_tell_more_than_one(call: Call, inputs: Path, tmp_path: Path) -> None:
    output = ("-o", tmp_path / "image.exr", "--overwrite")
    arguments = ("render", "scene.xml", "--spp", 1, *output, "--trust-input")
    once, twice = (call(option, *arguments, cwd=inputs).stderr for option in ("-v", "-vv"))
    assert "info: loaded scene.xml" in once
    assert "debug: wrote" not in once
    assert "debug: wrote" in twice


def test_a_log_file_that_cannot_be_written_is_refused(call: Call, tmp_path: Path) -> None:
    done = call("--log-file", tmp_path / "missing" / "log.txt", "params", "scene.xml")
    assert done.returncode == 2
    assert re.fullmatch(r"error: --log-file .*log\.txt: cannot be written: .*\n", done.stderr)


def test_the_library_has_no_handlers_of_its_own() -> None:
    import logging

    import envmap_inverse  # noqa: F401

    assert logging.getLogger("envmap_inverse").handlers == []
