"""The defaults of `estimate`."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import envmap_inverse as ei
from envmap_inverse.console.options import spec_of
from envmap_inverse.images import read_image, write_image

Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(inputs: Path, tmp_path: Path, scene_xml: Callable[..., str]) -> Path:
    """The inputs, bare.xml without a map, and wide.exr: 12 x 8 pixels of what the sensor sees."""
    folder = Path(shutil.copytree(inputs, tmp_path / "work"))
    (folder / "bare.xml").write_text(scene_xml(envmap=""))
    scene = ei.load_scene(folder / "scene.xml")
    scene.set_film_size((12, 8))
    write_image(folder / "wide.exr", ei.render(scene, spp=64))
    return folder


def settings_of(run: Path) -> dict[str, object]:
    return tomllib.loads((run / "run.toml").read_text())


def test_a_wide_picture_and_a_scene_without_a_map_are_enough(call: Call, folder: Path) -> None:
    done = call("estimate", "bare.xml", "wide.exr", "-o", "run", "--no-report", cwd=folder)
    assert done.returncode == 0
    assert re.fullmatch(
        r"warning: wide\.exr: is 12 x 8, but the film of sensor 0 is 8 x 8, .* of view stays\n",
        done.stderr,
    )
    assert "no environment map; an unknown one of 16 x 8 is added" in done.stdout
    settings = settings_of(folder / "run")
    assert str(settings["optimizer"]).startswith("transport:rounds=3,")
    assert (settings["size"], settings["map_size"]) == ("12x8", "16x8")
    assert (settings["sensor"], settings["loss"]) == ("0", spec_of(ei.Transport().default_loss))
    assert read_image(folder / "run" / "render.exr").shape == (8, 12, 3)

    again = call("estimate", "--config", "run/run.toml", "-o", "again", cwd=folder)
    assert again.returncode == 0, again.stderr
    maps = [read_image(folder / name / "envmap.exr") for name in ("run", "again")]
    np.testing.assert_array_equal(*maps)
    assert settings_of(folder / "again") == {**settings, "output": str(folder / "again")}


def test_several_pictures_of_the_only_sensor_are_averaged_down_together(
    call: Call, folder: Path
) -> None:
    scene = ei.load_scene(folder / "scene.xml", resolution=16)
    write_image(folder / "large.exr", ei.render(scene, spp=64))
    options = ("--map-size", "20x10", "--optimizer", "robust:iterations=2,patience=9")
    done = call(
        *("estimate", "scene.xml", "large.exr", "reference.exr", "-o", "run", *options), cwd=folder
    )
    assert (done.returncode, done.stderr) == (0, "")
    settings = settings_of(folder / "run")
    assert (settings["sensor"], settings["size"], settings["map_size"]) == ("0,0", "8x8", "20x10")
    assert re.match(r"robust:.*averaging=8,patience=9", str(settings["optimizer"]))
    assert settings["iterations"] == 2
    assert read_image(folder / "run" / "envmap.exr").shape == (10, 20, 3)
    large, small = (read_image(folder / f"run/{n}.exr") for n in ("reference", "reference_1"))
    assert large.shape == small.shape == (8, 8, 3)


def test_a_scene_that_cannot_be_recorded_is_rendered_at_each_step(call: Call, folder: Path) -> None:
    fog = (
        '<shape type="sphere"><float name="radius" value="0.1"/>'
        '<medium name="interior" type="homogeneous"/></shape></scene>'
    )
    text = (folder / "scene.xml").read_text()
    (folder / "volume.xml").write_text(text.replace("</scene>", fog))
    options = ("--iterations", 2, "--no-report")
    done = call("estimate", "volume.xml", "reference.exr", "-o", "run", *options, cwd=folder)
    assert done.returncode == 0
    assert re.fullmatch(
        r"warning: participating media cannot be recorded; Adam\.robust\(\) is taken, .*\n",
        done.stderr,
    )
    settings = settings_of(folder / "run")
    assert str(settings["optimizer"]).startswith("robust:")
    assert (settings["iterations"], settings["loss"]) == (2, "MSE")
    refused = call(
        *("estimate", "volume.xml", "reference.exr", "-o", "refused", "--optimizer", "transport"),
        cwd=folder,
    )
    assert refused.returncode == 2
    assert "cannot be recorded; use the Adam optimizer" in refused.stderr


def test_near_light_is_rendered_found_and_solved_for(call: Call, folder: Path) -> None:
    near = ("--distance", "sphere:6")
    done = call("render", "scene.xml", "-o", "near.exr", *near, cwd=folder)
    assert done.returncode == 0, done.stderr
    done = call("estimate", "scene.xml", "near.exr", "-o", "run", *near, "--no-report", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert settings_of(folder / "run")["distance"] == "sphere:6"
    assert "explains the pictures" in done.stdout or "explain the pictures" in done.stdout
    done = call("render", "scene.xml", "-o", "no.exr", "--distance", "box:1,2", cwd=folder)
    assert done.returncode == 2
    assert done.stderr.startswith("error: --distance: found 'box:1,2'; give sphere:R, or box:")
