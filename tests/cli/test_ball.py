"""`ball`: from pictures to a map, in one command."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import envmap_inverse as ei
from envmap_inverse.backend import mi
from envmap_inverse.bundled import map_file
from envmap_inverse.images import read_image, tonemap, write_image
from envmap_inverse.metrics import log_rmse
from envmap_inverse.scene.ball import BallShot, ball_scene, conductor
from envmap_inverse.scene.materials import material
from envmap_inverse.sphere.circles import Circle
from envmap_inverse.sphere.latlong import (
    resample,
    texel_directions,
    texel_solid_angles,
    uv_to_direction,
)

Call = Callable[..., subprocess.CompletedProcess[str]]
CIRCLE = Circle(x=20.3, y=19.6, radius=16.4)
WIDE = Circle(x=40.3, y=39.8, radius=33.4)
GIVEN = ("--circle", "20.3,19.6,16.4")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bracket of two JPEGs with EXIF of a ball under one lamp, and an empty wall."""
    folder = tmp_path_factory.mktemp("photos")
    ei.backend.select_variant()
    texels = np.full((16, 32, 3), 0.2, np.float32)
    texels[5, 10] = 20
    light = {"type": "envmap", "bitmap": mi.Bitmap(texels)}
    scene = ei.load_scene({**ball_scene(conductor("0.9")), "light": light})
    shot = BallShot.at_distance((40, 40), CIRCLE, 20.0)
    scene.set_sensors([shot.camera("camera")])
    image = np.full((40, 40, 3), 0.4, np.float32)
    ball = ei.render(scene, spp=64, seed=1)
    shot.window.of(image)[:] = np.where(ball > 0, ball, 0.4)
    for name, factor in {"long": 1.0, "short": 0.05}.items():
        exif = Image.Exif()
        exif.get_ifd(0x8769).update({33434: factor / 10, 33437: 4.0, 34855: 100})
        picture = Image.fromarray(tonemap(image, factor))
        picture.save(folder / f"{name}.jpg", exif=exif, quality=95, subsampling=0)
    Image.fromarray(np.full((24, 30, 3), 120, np.uint8)).save(folder / "wall.png")
    return folder


def test_a_bracket_becomes_a_map(photos: Path, guarded_call: Call, tmp_path: Path) -> None:
    options = ("--map-size", "32x16", "--without-photographer", "--save-scene", "--no-report")
    names = (photos / "long.jpg", photos / "short.jpg")
    done = guarded_call("ball", *names, *GIVEN, *options, "-o", "light", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "ball given at x 20.3, y 19.6, radius 16.4 pixels" in done.stdout
    assert "camera 20.0 radii from the ball (by default" in done.stdout
    assert "response: sRGB's, found from 2 pictures" in done.stdout
    assert "EXIF agrees: 1, 0.05, 1% off at most" in done.stdout
    for name in ("envmap.exr", "unwrap.exr"):
        texels = read_image(tmp_path / "light" / name)
        row, column = np.unravel_index(int(texels[..., 1].argmax()), texels.shape[:2])
        assert (abs(row - 5), abs(column - 10)) <= (1, 1)
    assert read_image(tmp_path / "light" / "envmap.exr")[..., 1].max() > 5  # not clipped at 1
    summary = json.loads((tmp_path / "light" / "summary.json").read_text())
    assert summary["status"] == "done"

    command = next(line for line in done.stdout.splitlines() if "go on with: " in line)
    words = command.split("go on with: envmap-inverse ")[1].replace("NEW", "again").split()
    again = guarded_call(*words, "--map-size", "32x16", "--no-report", cwd=tmp_path)
    assert (again.returncode, again.stderr) == (0, "")
    texels = read_image(tmp_path / "again" / "envmap.exr")
    assert abs(int(texels[..., 1].argmax()) - (5 * 32 + 10)) <= 1


def test_a_grey_ball_shows_where_its_lamp_is_within_three_degrees(
    call: Call, tmp_path: Path
) -> None:
    ei.backend.select_variant()
    texels = np.full((32, 64, 3), 1.5, np.float32)
    texels[16:] = 0.5  # a dark ground must not lift the lamp
    texels[10, 52:54] = 300
    towards = uv_to_direction(53 / 64, 10 / 31)
    light = {"type": "envmap", "bitmap": mi.Bitmap(texels)}
    scene = ei.load_scene({**ball_scene(material("grey-diffuse")), "light": light})
    shot = BallShot.at_distance((40, 40), CIRCLE, 20.0)
    scene.set_sensors([shot.camera("camera")])
    image = np.full((40, 40, 3), 0.3, np.float32)
    shot.window.of(image)[:] = ei.render(scene, spp=256, seed=1)
    Image.fromarray(tonemap(image, 0.8 / float(image.max()))).save(tmp_path / "grey.png")
    options = ("--material", "grey-diffuse", "--map-size", "64x32", "--no-report")
    done = call("ball", "grey.png", *GIVEN, *options, "-o", "light", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "grey.png: as under a lamp" in done.stdout
    found = read_image(tmp_path / "light" / "envmap.exr").mean(axis=2)
    lit = np.maximum(found - found.max() / 4, 0) * texel_solid_angles(32, 64)
    mean = (lit[..., None] * texel_directions(32, 64)).sum(axis=(0, 1))
    assert np.degrees(np.arccos(mean @ towards / np.linalg.norm(mean))) < 3
    assert not (tmp_path / "light" / "unwrap.exr").exists()

    options = ("--material", "gray-diffuse", "--reflectance", "0.5")
    done = call("ball", "grey.png", *GIVEN, *options, "-o", "x", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: --reflectance and --material: give one of them\n"


def test_a_grey_ball_beside_the_mirror_shows_how_bright_a_clipped_sun_is(
    call: Call, tmp_path: Path
) -> None:
    ei.backend.select_variant()
    shot = replace(
        BallShot.at_distance((110, 60), Circle(x=30, y=30, radius=26), 12.0),
        grey=Circle(x=85, y=32, radius=20),
    )
    texels = np.full((64, 128, 3), 0.2, np.float32)
    is_sun = texel_directions(64, 128) @ uv_to_direction(0.1, 0.3) > np.cos(np.radians(5))
    texels[is_sun] = 50
    light = {"type": "envmap", "bitmap": mi.Bitmap(texels)}
    scene = ei.load_scene({**ball_scene(conductor("0.9"), shot.beside()), "light": light})
    scene.set_sensors([shot.camera("camera")])
    image = np.full((60, 110, 3), 0.1, np.float32)
    shot.window.of(image)[:] = ei.render(scene, spp=64, seed=1)
    for name, factor in {"long": 1.0, "short": 0.2}.items():
        Image.fromarray(tonemap(image, factor)).save(tmp_path / f"{name}.png")
    words = ("ball", "long.png", "short.png", "--circle", "30,30,26", "--distance", 12)
    options = ("--grey-ball", "85,32,20", "--exposure", "1,0.2", "--map-size", "64x32")
    done = call(*words, *options, "--no-report", "-o", "light", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = read_image(tmp_path / "light" / "envmap.exr").mean(axis=2)
    near = texel_directions(32, 64) @ uv_to_direction(0.1, 0.3) > np.cos(np.radians(15))
    energy = float(((found - 0.2) * texel_solid_angles(32, 64))[near].sum())
    true = float(49.8 * texel_solid_angles(64, 128)[is_sun].sum())
    assert 0.5 * true < energy < 1.3 * true  # what the pictures show of it is a ninth


def test_a_killed_run_goes_on_and_ends_the_same(
    photos: Path, call: Call, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    pictures = (photos / "long.jpg", photos / "short.jpg")
    words = ("ball", *pictures, *GIVEN, "--map-size", "32x16", "--no-report")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert call(*words, "-o", whole).returncode == 0
    with start(*words, "-o", killed) as process:
        history = killed / "history.jsonl"
        while process.poll() is None and not (history.exists() and history.read_text()):
            time.sleep(0.002)
        process.kill()
    done = call(*words, "-o", killed, "--resume")
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("envmap.exr", "unwrap.exr"):
        np.testing.assert_array_equal(read_image(killed / name), read_image(whole / name))

    again = call(*words, "-o", killed, "--resume")
    assert again.returncode == 2
    assert "complete; there is nothing to resume" in again.stderr


def test_all_that_is_wrong_is_reported_a_line_each(
    photos: Path, call: Call, tmp_path: Path
) -> None:
    wrong = ("--circle", "1,2", "--fov", 40, "--distance", 3, "--reflectance", 2)
    done = call("ball", photos / "gone.jpg", *wrong, "--photographer", 120, "-o", "x", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    for start in (
        *("--fov and --distance", "--reflectance 2: must", "--photographer 120", "--circle '1,2'"),
        f"{photos / 'gone.jpg'}: no such image file",
    ):
        assert sum(line.startswith(f"error: {start}") for line in lines) == 1, start
    assert len(lines) == 5
    assert not (tmp_path / "x").exists()


def test_a_picture_without_a_ball_names_the_remedy(
    photos: Path, call: Call, tmp_path: Path
) -> None:
    done = call("ball", photos / "wall.png", "-o", "x", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"error: {photos / 'wall.png'}: no ball found; say where its outline is with --circle "
        "x,y,r, in pixels from the upper left corner"
    ]
    assert not (tmp_path / "x").exists()


def test_two_viewpoints_fill_each_others_holes(call: Call, tmp_path: Path) -> None:
    ei.backend.select_variant()
    truth = resample(read_image(map_file("windows")), 64, 128).astype(np.float32)
    turns = ((0.0, 0.0, 0.0), (0.05, 1.7, -0.03))
    for name, turn in zip(("front", "side"), turns, strict=True):
        shot = replace(BallShot.at_distance((80, 80), WIDE, 20.0), turned=turn)
        light = truth.copy()
        light[texel_directions(64, 128) @ shot.towards_camera > 0.99] = 0.01  # who holds the camera
        lit = {"type": "envmap", "bitmap": mi.Bitmap(light)}
        scene = ei.load_scene({**ball_scene(conductor("0.9")), "light": lit})
        scene.set_sensors([shot.camera("camera")])
        image = np.full((80, 80, 3), 0.3, np.float32)
        ball = ei.render(scene, spp=64, seed=1)
        shot.window.of(image)[:] = np.where(ball > 0, ball, 0.3)
        write_image(tmp_path / f"{name}.exr", image)
    circle = f"{WIDE.x},{WIDE.y},{WIDE.radius}"
    options = ("--circle", circle, "--map-size", "64x32", "--exposure", "1", "--no-report")
    hidden = ("--without-photographer", "--save-scene")
    words = ("ball", "front.exr", ":", "side.exr", *options, *hidden, "-o", "both")
    done = call(*words, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    beside = re.search(r"side.exr: taken from ([\d.]+) degrees beside front.exr", done.stdout)
    assert beside
    true = np.degrees(np.arccos(_towards(turns[0]) @ _towards(turns[1])))
    assert float(beside[1]) == pytest.approx(true, abs=0.5)
    assert "100.0 % of the texels are seen" in done.stdout
    alone = call("ball", "front.exr", *options, *hidden, "-o", "one", cwd=tmp_path)
    assert (alone.returncode, alone.stderr) == (0, "")
    both, one = (
        log_rmse(read_image(tmp_path / name / "envmap.exr"), resample(truth, 32, 64))
        for name in ("both", "one")
    )
    assert both < 0.8 * one

    done = call("ball", "front.exr", ":", *options, "-o", "x", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ':' stands between the pictures of two viewpoints")


def _towards(turned: tuple[float, float, float]) -> np.ndarray:
    return replace(BallShot.at_distance((80, 80), WIDE, 20.0), turned=turned).towards_camera


def test_a_person_is_masked_in_all_pictures(photos: Path, call: Call, tmp_path: Path) -> None:
    mask = np.full((40, 40), 255, np.uint8)
    mask[14:26, 8:16] = 0
    Image.fromarray(mask).save(tmp_path / "person.png")
    names = (photos / "long.jpg", photos / "short.jpg")
    options = ("--map-size", "32x16", "--no-report", "-q")
    call("ball", *names, *GIVEN, *options, "-o", "all", cwd=tmp_path)
    masked = ("--mask-person", "person.png", "-o", "masked")
    done = call("ball", *names, *GIVEN, *options, *masked, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    seen, less = (read_image(tmp_path / name / "seen.exr")[..., 0] for name in ("all", "masked"))
    hidden = (seen > 0) & (less == 0)
    assert 0.02 < hidden.mean() < 0.2
    assert hidden[:, :16].sum() == hidden.sum()  # the left of the ball mirrors what is on the left
    found = read_image(tmp_path / "masked" / "envmap.exr")
    np.testing.assert_allclose(np.median(found[hidden]), 0.2, rtol=0.2)
    wrong = ("--mask-person", "person.png,person.png,person.png", "-o", "wrong")
    done = call("ball", *names, *GIVEN, *options, *wrong, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--mask-person has 3 values for 2 pictures; give 1 or 2" in done.stderr
