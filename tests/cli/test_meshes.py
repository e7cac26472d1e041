"""`estimate` of a mesh, a material and a camera, with no scene file."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import solids
from PIL import ExifTags, Image

import envmap_inverse as ei
from envmap_inverse.images import read_image, tonemap

Call = Callable[..., subprocess.CompletedProcess[str]]
CAMERA = ("--camera", "exif:azimuth=20,up=z")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mesh of a ball, a photograph of it in chrome with a mask, and one cut out, without EXIF."""
    folder = tmp_path_factory.mktemp("object")
    mesh = solids.write(folder / "ball.obj", solids.ball(48))
    camera = ei.Viewpoint(fov=40, azimuth=20, up="z")
    size = (60, 40)
    scene = ei.load_mesh(mesh, material="chrome", camera=camera, size=size, envmap=(32, 16))
    light = np.full((16, 32, 3), 0.3, np.float32)
    light[5, 10] = 3
    scene.set_envmap(light)
    image = tonemap(ei.render(scene, spp=64), 1.0)
    y, x = np.indices((40, 60)) + 0.5
    alpha = np.where(np.hypot(x - 30, y - 20) < 17.5, 255, 0).astype(np.uint8)
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = 49
    Image.fromarray(np.dstack([image, alpha])).save(folder / "plain.png")
    Image.fromarray(image).save(folder / "photo.jpg", exif=exif, quality=95, subsampling=0)
    Image.fromarray(alpha).save(folder / "mask.png")
    return folder


def test_a_mesh_becomes_a_scene_and_its_photograph_a_map(
    folder: Path, call: Call, tmp_path: Path
) -> None:
    mesh, photo = folder / "ball.obj", folder / "photo.jpg"
    mask = ("--mask", folder / "mask.png")
    options = ("--material", "chrome", "--map-size", "32x16", "--no-report", "--save-scene")
    done = call("estimate", mesh, photo, "-o", "light", *CAMERA, *mask, *options, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "9024 faces of chrome" in done.stdout
    assert "photo.jpg: field of view 40.3 degrees, by EXIF's 49 mm" in done.stdout
    assert "(fills the mask)" in done.stdout
    texels = read_image(tmp_path / "light" / "envmap.exr")
    row, column = np.unravel_index(int(texels[..., 1].argmax()), texels.shape[:2])
    assert (abs(row - 5), abs(column - 10)) <= (1, 1)

    again = call("estimate", "--config", "light/run.toml", "-o", "again", cwd=tmp_path)
    assert (again.returncode, again.stderr) == (0, "")
    # The order of sums may differ where the machine is busy.
    np.testing.assert_allclose(read_image(tmp_path / "again" / "envmap.exr"), texels, rtol=1e-5)
    from_xml = call(
        *("estimate", "light/mesh_scene.xml", photo, "-o", "third", "--map-size", "32x16"),
        *mask,
        "--no-report",
        cwd=tmp_path,
    )
    assert (from_xml.returncode, from_xml.stderr) == (0, "")
    found = read_image(tmp_path / "third" / "envmap.exr")
    np.testing.assert_allclose(found, texels, rtol=0.01, atol=0.01)
    assert json.loads((tmp_path / "third" / "summary.json").read_text())["status"] == "done"


@pytest.mark.parametrize(
    ("options", "messages"),
    [
        ((), ("ball.obj: a mesh has no material",)),
        (
            ("--material", "gold"),
            ("plain.png: the camera's field of view is not known (no focal length for 35 mm",),
        ),
        (
            ("--camera", "40", "--material", "crome"),
            ("--material 'crome': unknown", "--camera '40': give fov:DEG"),
        ),
        (
            ("--camera", "fov:40,origin=0/0/0.1", "--material", "gold"),
            ("--camera: the camera is inside the object",),
        ),
        (
            ("--camera", "exif:fov=40", "--material", "gold"),
            ("--camera 'exif:fov=40': give fov:DEG or exif, not both",),
        ),
        (
            ("--camera", "fov:40", "--camera", "fov:41", "--material", "gold"),
            ("--camera has 2 values for 1 picture",),
        ),
    ],
)
def test_what_is_missing_or_wrong_is_named(
    folder: Path, call: Call, tmp_path: Path, options: tuple[str, ...], messages: tuple[str, ...]
) -> None:
    photo = folder / "plain.png"
    done = call("estimate", folder / "ball.obj", photo, "-o", "x", *options, cwd=tmp_path)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) == len(messages), done.stderr
    for line, message in zip(lines, messages, strict=True):
        assert message in line
    assert not (tmp_path / "x").exists()


def test_a_scene_file_takes_no_material_and_a_mesh_is_no_scene(
    folder: Path, inputs: Path, call: Call, tmp_path: Path
) -> None:
    words = ("--material", "gold", "--camera", "fov:40", "--save-scene", "-o", "x")
    done = call("estimate", inputs / "scene.xml", inputs / "reference.exr", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert [line.split(":")[1].strip() for line in done.stderr.splitlines()] == [
        *("--material", "--camera", "--save-scene")
    ]
    done = call("params", folder / "ball.obj", cwd=tmp_path)
    assert done.returncode == 2
    assert "ball.obj: is a mesh, not a scene; 'estimate' makes a scene of it" in done.stderr
