from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from envmap_inverse.images import read_image

Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(inputs: Path, tmp_path: Path) -> Path:
    """A copy of the inputs, and a transforms.json whose frame 1 is the scene's own sensor."""
    folder = Path(shutil.copytree(inputs, tmp_path / "work"))
    above, own = np.eye(4), np.eye(4)
    above[:3, 1:] = [[0, 0, 0], [0, 1, 4], [-1, 0, 0]]
    own[2, 3] = 4
    frames = [
        {"file_path": f"photos/{name}.png", "transform_matrix": matrix.tolist()}
        for name, matrix in (("above", above), ("reference", own))
    ]
    shared: dict[str, Any] = {"camera_angle_x": math.radians(40), "w": 8, "h": 8}
    (folder / "transforms.json").write_text(json.dumps({**shared, "frames": frames}))
    return folder


def test_render_takes_a_files_camera(call: Call, folder: Path) -> None:
    for name, options in (("own", ()), ("read", ("--cameras", folder, "--sensor", 1))):
        done = call("render", "scene.xml", "-o", f"{name}.exr", *options, cwd=folder)
        assert (done.returncode, done.stderr) == (0, "")
    own, read = (read_image(folder / f"{name}.exr") for name in ("own", "read"))
    np.testing.assert_allclose(read, own, rtol=1e-3, atol=1e-4)


def test_estimate_finds_a_pictures_camera_by_its_name(call: Call, folder: Path) -> None:
    options = ("--iterations", 2, "--size", 8, "--cameras", "transforms.json")
    done = call("estimate", "scene.xml", "reference.exr", "-o", "run", *options, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    settings = tomllib.loads((folder / "run" / "run.toml").read_text())
    assert settings["sensor"] == "1"
    assert settings["cameras"] == str(folder / "transforms.json")


def test_coverage_ranks_the_cameras_of_a_file(call: Call, folder: Path) -> None:
    options = ("--cameras", "transforms.json", "--size", 16, "-o", "advice", "--json")
    done = call("coverage", "scene.xml", *options, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    views = json.loads(done.stdout)
    assert sorted(view["name"] for view in views) == ["above.png", "reference.png"]
    assert views[0]["gain"] > views[1]["gain"] > 0
    assert views[1]["seen_share_together"] >= views[0]["seen_share"] > 0.2
    assert {path.name for path in (folder / "advice").iterdir()} == {
        "coverage.png",
        "coverage_0.exr",
        "coverage_1.exr",
        "deviation.exr",
    }
    deviation = read_image(folder / "advice" / "deviation.exr")
    assert deviation.shape == (8, 16, 3)
    assert np.all((deviation > 0) & np.isfinite(deviation))


def test_coverage_prints_a_row_per_sensor(call: Call, folder: Path) -> None:
    done = call("coverage", "scene.xml", "--size", 16, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"1\. .* 0 camera .* \d+\.\d % .* bits", done.stdout)
