from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

Call = Callable[..., subprocess.CompletedProcess[str]]


def test_export_writes_numbers(call: Call, inputs: Path, tmp_path: Path) -> None:
    out = tmp_path / "light.json"
    done = call("export", inputs / "map.exr", "--to", "sh", "--order", 1, "-o", out)
    assert done.returncode == 0
    assert done.stdout == f"wrote {out}: sh\n"
    assert "no deviations" in done.stderr
    assert len(json.loads(out.read_text())["coefficients"]) == 4


def test_export_writes_a_scene_with_its_map(call: Call, inputs: Path, tmp_path: Path) -> None:
    out = tmp_path / "scene.xml"
    done = call("export", inputs / "map.exr", "--to", "mitsuba", "-o", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in tmp_path.iterdir()} == {"scene.xml", "scene_mitsuba.exr"}
    shown = call("render", out, "-o", tmp_path / "shown.exr", "--spp", 1, "--size", 16)
    assert (shown.returncode, shown.stderr) == (0, "")


def test_export_keeps_the_map_of_another_scene(call: Call, inputs: Path, tmp_path: Path) -> None:
    (tmp_path / "light_usd.exr").write_text("mine")
    done = call("export", inputs / "map.exr", "--to", "usd", "-o", tmp_path / "light.usda")
    assert (done.returncode, done.stdout) == (2, "")
    assert "light_usd.exr: is there already" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["light_usd.exr"]
