"""Several pictures on the command line: sensors, masks, exposures, clipped values."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import envmap_inverse as ei
from envmap_inverse.images import read_image, write_image

Completed = subprocess.CompletedProcess[str]
Call = Callable[..., Completed]
BACK = """<sensor type="perspective" id="back">
    <float name="fov" value="40"/>
    <transform name="to_world"><lookat origin="0, 0, -4" target="0, 0, 0" up="0, 1, 0"/></transform>
    <film type="hdrfilm">
        <integer name="width" value="8"/><integer name="height" value="8"/>
        <string name="pixel_format" value="rgb"/><rfilter type="box"/>
    </film>
</sensor>
<shape type="sphere" id="ball"><bsdf type="conductor" id="metal"/></shape>"""
TRANSPORT = ("--optimizer", "transport", "--spp", 64, "--no-report")


@pytest.fixture(scope="module")
def folder(
    inputs: Path, tmp_path_factory: pytest.TempPathFactory, scene_xml: Callable[..., str]
) -> Path:
    """A scene of two sensors, what each sees, the second four times too bright, and masks."""
    folder = Path(shutil.copytree(inputs, tmp_path_factory.mktemp("photographs") / "work"))
    (folder / "scene.xml").write_text(scene_xml(BACK))
    scene = ei.load_scene(folder / "scene.xml")
    (folder / "photos").mkdir()
    for sensor, factor in enumerate((1, 4)):
        picture = ei.render(scene, spp=256, seed=9 + sensor, sensor=sensor)
        write_image(folder / "photos" / f"{sensor}.exr", np.float32(factor) * picture)
    for name, height in {"half": 8, "low": 5}.items():
        mask = np.zeros((height, 8, 3), np.float32)
        mask[:, 4:] = 1
        write_image(folder / f"{name}.exr", mask)
    write_image(folder / "empty.exr", np.zeros((8, 8, 3)))
    write_image(folder / "wide.exr", np.ones((8, 12, 3)))
    return folder


@pytest.fixture(scope="module")
def of_options(folder: Path, call: Call) -> Completed:
    """A run of both views, the second masked and of unknown exposure."""
    views = ("photos/0.exr", "photos/1.exr", "--sensor", "0,1", "--mask", "none,half.exr")
    options = ("--exposure", "1,auto", "-o", "run", *TRANSPORT)
    return call("estimate", "scene.xml", *views, *options, cwd=folder)


def test_views_masks_and_exposures_are_taken_from_options(
    of_options: Completed, folder: Path
) -> None:
    assert (of_options.returncode, of_options.stderr) == (0, "")
    settings = tomllib.loads((folder / "run" / "run.toml").read_text())
    assert settings["mask"] == ["none", str(folder / "half.exr")]
    assert settings["sensor"] == "0,1"


def test_a_found_exposure_is_told(of_options: Completed, folder: Path) -> None:
    exposures = json.loads((folder / "run" / "summary.json").read_text())["exposures"]
    # Half of a picture of 8 x 8 pixels tells it to some percent.
    np.testing.assert_allclose(exposures, [[1, 1, 1], [4, 4, 4]], rtol=0.1)
    told = re.findall(r"(?m): exposure (\S+)$", of_options.stdout)
    assert told == ["1", f"{exposures[1][0]:.4g}"]


def test_a_list_of_views_stands_for_the_options(
    of_options: Completed, folder: Path, call: Call
) -> None:
    assert of_options.returncode == 0
    (folder / "views.toml").write_text(
        '[[view]]\nimage = "photos/0.exr"\n'
        '[[view]]\nimage = "photos/1.exr"\nsensor = 1\nmask = "half.exr"\nexposure = "auto"\n'
    )
    options = ("--config", "views.toml", "-o", "listed", *TRANSPORT)
    done = call("estimate", "scene.xml", *options, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    maps = [read_image(folder / name / "envmap.exr") for name in ("run", "listed")]
    np.testing.assert_array_equal(*maps)


def test_the_levels_of_a_censored_loss_are_kept(folder: Path, call: Call) -> None:
    options = ("--loss", "Censored:white=1.5", "--optimizer", "adam", "--iterations", 2)
    first = call(
        *("estimate", "scene.xml", "photos/0.exr", "-o", "censored", *options),
        "--no-report",
        cwd=folder,
    )
    assert first.returncode == 0, first.stderr
    assert re.search(r"0\.exr: \d+\.\d % of its values are clipped at the top", first.stdout)
    again = call("estimate", "--config", "censored/run.toml", "-o", "repeated", cwd=folder)
    assert again.returncode == 0, again.stderr
    shares = [
        json.loads((folder / name / "summary.json").read_text())["clipped_share"]
        for name in ("censored", "repeated")
    ]
    assert shares[0][0]["over"] > 0
    assert shares[0] == shares[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("photos/0.exr", "--mask", "low.exr"), r"0\.exr: its mask has \(5, 8\) .* image \(8, 8\)"),
        (("photos/0.exr", "--mask", "empty.exr"), r"0\.exr: the mask leaves no pixel"),
        (("photos/0.exr", "--mask", "gone.exr"), r"gone\.exr: no such image file"),
        (
            ("photos/0.exr", "wide.exr", "--sensor", "0"),
            r"wide\.exr: is 12 x 8, but photos/0\.exr, of the same sensor 0, is 8 x 8, .*--sensor",
        ),
        (("photos/0.exr", "--sensor", "7"), r"--sensor 7: the scene has 2 sensors,"),
        (("photos", "--sensor", "0,1,0"), r"--sensor has 3 values for 2 pictures"),
        (("photos", "wide.exr"), r"3 pictures, but the scene has 2 sensors; .*--sensor 0"),
        (("photos/*.png",), r"photos/\*\.png: no picture there"),
        (("photos/0.exr", "--cameras", "transforms.json"), r"transforms\.json: not JSON: .*line 1"),
        (("--config", "bad.toml"), r"--config bad\.toml: \[\[view\]\] number 0: no image"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    folder: Path, call: Call, arguments: tuple[Any, ...], message: str
) -> None:
    (folder / "transforms.json").write_text('{"frames": [')
    (folder / "bad.toml").write_text("[[view]]\nsensor = 0\n")
    done = call("estimate", "scene.xml", *arguments, "-o", "refused", cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"error: .+\n", done.stderr), done.stderr
    assert re.search(message, done.stderr)
    assert not (folder / "refused").exists()


def test_a_small_object_is_cut_out_and_its_pictures_are_registered(
    folder: Path, call: Call
) -> None:
    scene = ei.load_scene(folder / "scene.xml")
    scene.set_film_size(96)
    picture = ei.render(scene, spp=64)
    mask = np.zeros((96, 96, 3), np.float32)
    mask[28:68, 28:68] = 1
    write_image(folder / "ball.exr", mask)
    write_image(folder / "still.exr", picture)
    write_image(folder / "moved.exr", np.roll(picture, (-1, 2), (0, 1)) / 4)
    write_image(folder / "part.exr", picture[20:80, 16:90] / 2)
    names = ("still.exr", "moved.exr", "part.exr")
    done = call(
        *("estimate", "scene.xml", *names, "--sensor", 0, "--exposure", "1,0.25,0.5"),
        *("--mask", "ball.exr,ball.exr,none", "-o", "cut", *TRANSPORT),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    assert "cut to what counts" in done.stdout
    summary = json.loads((folder / "cut" / "summary.json").read_text())
    assert summary["shifts"][0] is summary["shifts"][2] is None
    np.testing.assert_allclose(summary["shifts"][1], [2, -1], atol=0.1)
    np.testing.assert_allclose(summary["crops"][2], [16, 20, 74, 60], atol=0.1)
    assert summary["windows"][0] == summary["windows"][2]
