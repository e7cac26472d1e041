from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest

from envmap_inverse.images import write_image

Completed = subprocess.CompletedProcess[str]
Call = Callable[..., Completed]
FRAMES = """{"w": 9, "h": 8, "fl_x": 9, "frames": [
    {"file_path": "a.png", "transform_matrix": [[1,0,0,0], [0,1,0,0], [0,0,1,1.5]]},
    {"file_path": "b.png", "transform_matrix": [[1,0,0,0], [0,1,0,0], [0,0,1,4]]}]}"""
ESTIMATE = ("estimate", "scene.xml", "reference.exr", "-o", "out")
TRUSTED = (*ESTIMATE, "--trust-input")
"""Of which only the options are wrong."""


@pytest.fixture
def folder(inputs: Path, tmp_path: Path) -> Path:
    """A copy of the inputs, in which the commands run."""
    return Path(shutil.copytree(inputs, tmp_path / "work"))


@pytest.fixture
def refused(guarded_call: Call, folder: Path) -> Callable[..., str]:
    """Runs a command that must be refused and leave nothing behind; returns its one line."""

    def run(*arguments: Any) -> str:
        before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
        done = guarded_call(*arguments, cwd=folder)
        assert done.returncode == 2, (done.returncode, done.stderr)
        assert done.stdout == ""
        assert re.fullmatch(r"error: .+\n", done.stderr), done.stderr
        assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
        return done.stderr

    return run


# Scenes


def test_a_missing_scene(refused: Callable[..., str]) -> None:
    assert "nothing.xml: no such scene file" in refused(
        "estimate", "nothing.xml", "reference.exr", "-o", "out"
    )


def test_a_malformed_scene(refused: Callable[..., str], folder: Path) -> None:
    (folder / "scene.xml").write_text("<scene version='3.0.0'>\n<shape>\n</scene>")
    assert re.search(r"scene\.xml: malformed XML: .*line 3", refused(*ESTIMATE))


def test_a_scene_nested_too_deep(refused: Callable[..., str], folder: Path) -> None:
    nested = "<bsdf type='twosided'>" * 200_000 + "</bsdf>" * 200_000
    (folder / "scene.xml").write_text(f"<scene version='3.0.0'>{nested}</scene>")
    assert re.search(r"scene\.xml: .*nested more than", refused("params", "scene.xml"))


def test_a_missing_mesh(
    refused: Callable[..., str], folder: Path, scene_xml: Callable[..., str]
) -> None:
    mesh = '<shape type="ply"><string name="filename" value="cow.ply"/></shape>'
    (folder / "scene.xml").write_text(scene_xml(mesh))
    assert re.search(r"scene\.xml: .*cow\.ply", refused(*ESTIMATE))


def test_a_mesh_whose_faces_point_outside_its_vertices(
    refused: Callable[..., str],
    folder: Path,
    scene_xml: Callable[..., str],
    write_quad: Callable[..., None],
) -> None:
    mesh = '<shape type="ply"><string name="filename" value="cow.ply"/></shape>'
    (folder / "scene.xml").write_text(scene_xml(mesh))
    write_quad(folder / "cow.ply", 900_000_000)
    assert re.search(r"cow\.ply: a face points to vertex", refused(*ESTIMATE))


def test_a_missing_texture(
    refused: Callable[..., str], folder: Path, scene_xml: Callable[..., str]
) -> None:
    (folder / "map.exr").unlink()
    assert re.search(r"scene\.xml: .*map\.exr", refused(*ESTIMATE))


def test_a_rendering_without_an_environment_map(
    refused: Callable[..., str], folder: Path, scene_xml: Callable[..., str]
) -> None:
    (folder / "scene.xml").write_text(scene_xml(envmap=""))
    line = refused("render", "scene.xml", "-o", "out")
    assert re.search(r"scene\.xml: .*no environment map.*render --envmap FILE takes a known", line)


# References


def test_a_missing_reference(refused: Callable[..., str], folder: Path) -> None:
    (folder / "reference.exr").unlink()
    assert "reference.exr: no such image file" in refused(*ESTIMATE)


def test_a_truncated_reference(refused: Callable[..., str], folder: Path) -> None:
    path = folder / "reference.exr"
    path.write_bytes(path.read_bytes()[:-50])
    assert re.search(r"reference\.exr: .*damaged", refused(*ESTIMATE))


def test_an_empty_reference(refused: Callable[..., str], folder: Path) -> None:
    (folder / "reference.exr").write_bytes(b"")
    assert "reference.exr: the file is empty" in refused(*ESTIMATE)


def test_a_folder_without_pictures(refused: Callable[..., str], folder: Path) -> None:
    (folder / "photos").mkdir()
    assert "photos: no picture there" in refused("estimate", "scene.xml", "photos", "-o", "out")


def test_a_reference_that_is_no_image(refused: Callable[..., str], folder: Path) -> None:
    (folder / "reference.exr").write_text("not an image\n" * 100)
    assert re.search(r"reference\.exr: .*not an image", refused(*ESTIMATE))


def test_a_reference_that_is_smaller_than_the_size(
    refused: Callable[..., str], folder: Path
) -> None:
    write_image(folder / "reference.exr", np.ones((4, 6, 3)))
    line = refused(*ESTIMATE, "--size", 8)
    assert re.search(r"reference\.exr is only 6 x 4, and pictures are not enlarged", line)


def test_a_reference_with_nan(refused: Callable[..., str], folder: Path) -> None:
    image = np.ones((8, 8, 3))
    image[6, 2, 0] = image[7, 7] = np.nan
    write_image(folder / "reference.exr", image)
    assert re.search(r"reference\.exr: 4 values are NaN .*row 6, column 2", refused(*ESTIMATE))


def test_a_reference_without_rgb(refused: Callable[..., str], folder: Path) -> None:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {"Z": np.ones((8, 8), np.float32)}).write(str(folder / "depth.exr"))
    line = refused("estimate", "scene.xml", "depth.exr", "-o", "out")
    assert "depth.exr: has no R, G and B channels, nor Y alone; found Z" in line


# Options


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--spp", 0, "spp must be at least 1; found 0"),
        ("--spp", 2**30, "spp must be at most 1048576; found 1073741824"),
        ("--iterations", -1, "iterations must be at least 1; found -1"),
        ("--size", 0, "--size 0: give pixels"),
        ("--size", "8x4", "--size 8x4: .* of another aspect; give --size 8 or --size 8x8"),
        ("--map-size", "0x4", "--map-size 0x4: give pixels"),
        ("--map-size", "2x2", "--map-size 2x2: a map has at least 3 x 2 texels"),
        ("--optimizer", "newton", "--optimizer 'newton': unknown; choose one of Transport, Adam"),
        ("--optimizer", "adam:x=1", "--optimizer 'adam:x=1': no key 'x'; its keys are"),
        ("--learning-rate", 0.1, "--learning-rate: the transport .*; add --optimizer adam"),
        ("--seed", -1, "seed"),
        ("--initial", "nan", "initial"),
        ("--loss", "L7", r"--loss 'L7': unknown; choose one of .*MSE"),
        ("--parameterization", "L7", r"--parameterization 'L7': unknown; .* Direct, Exp, Pyramid"),
        ("--prior", "nothing:x=1", r"--prior 'nothing': unknown; choose one of"),
        ("--config", "nothing.toml", r"--config nothing\.toml: cannot be read"),
    ],
)
def test_an_option_that_cannot_be(
    refused: Callable[..., str], option: str, value: Any, message: str
) -> None:
    assert re.search(message, refused(*TRUSTED, option, value))


def test_an_option_of_adam_for_the_transport_optimizer(refused: Callable[..., str]) -> None:
    line = refused(*TRUSTED, "--optimizer", "transport", "--robust")
    assert "--robust: the transport optimizer has no such option" in line


def test_an_unknown_option_in_a_config(refused: Callable[..., str], folder: Path) -> None:
    (folder / "run.toml").write_text("iteration = 3\n")
    line = refused(*TRUSTED, "--config", "run.toml")
    assert "--config run.toml: unknown option 'iteration'" in line


def test_an_output_folder_that_is_a_file(refused: Callable[..., str]) -> None:
    line = refused("estimate", "scene.xml", "reference.exr", "-o", "scene.xml")
    assert "scene.xml: cannot be written" in line


def test_an_output_folder_that_cannot_be_made(refused: Callable[..., str]) -> None:
    assert "/proc/nowhere: cannot be written" in refused(
        "demo", "--size", 4, "--iterations", 1, "-o", "/proc/nowhere"
    )


def test_all_that_is_wrong_is_told_at_once(
    guarded_call: Call, folder: Path, make_run: Callable[..., Path]
) -> None:
    make_run(folder / "out")
    (folder / "damaged.exr").write_text("not an image\n" * 100)
    options = ("--loss", "Hubr", "--prior", "Tikhonov:wight=1", "--mask", "none.png")
    done = guarded_call(
        "estimate", "scene.xml", "missing.exr", "damaged.exr", "-o", "out", *options, cwd=folder
    )
    assert (done.returncode, done.stdout) == (2, "")
    patterns = (
        "--loss 'Hubr': unknown; .*; did you mean 'Huber'",
        "--prior 'Tikhonov:wight=1': no key 'wight'; its keys are: weight; did you mean 'weight'",
        r"out: already holds a run .*--overwrite",
        r"missing\.exr: no such image file",
        r"damaged\.exr: .*not an image",
        r".*none\.png: no such image file",
    )
    lines = done.stderr.splitlines()
    for line, pattern in zip(lines, patterns, strict=True):
        assert re.match(f"error: {pattern}", line), line


def test_every_picture_that_cannot_be_read_is_named(guarded_call: Call, folder: Path) -> None:
    (folder / "damaged.exr").write_text("not an image")
    pictures = ("missing.exr", "reference.exr", "damaged.exr")
    done = guarded_call(
        *("estimate", "scene.xml", *pictures, "-o", "out", "--sensor", 0, "--loss", "L7"),
        cwd=folder,
    )
    assert done.returncode == 2
    assert [line.split()[1] for line in done.stderr.splitlines()] == [
        "--loss",
        "missing.exr:",
        "damaged.exr:",
    ]


def test_a_scene_whose_camera_sees_nothing_is_refused_before_it_runs(
    refused: Callable[..., str], folder: Path, scene_xml: Callable[..., str]
) -> None:
    closed = '<shape type="sphere"><float name="radius" value="9"/><bsdf type="diffuse"/></shape>'
    (folder / "scene.xml").write_text(scene_xml(closed))
    assert "no light of the environment map reaches the pictures" in refused(*ESTIMATE)


def test_an_image_is_replaced_only_if_it_may_be(refused: Callable[..., str], folder: Path) -> None:
    line = refused("render", "scene.xml", "-o", "reference.exr")
    assert "reference.exr: is there already; name another file, or add --overwrite" in line


# Cameras


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FRAMES.replace("1.5", "NaN"), r"frame 0: camera 'a\.png': .*not 4 x 4 finite numbers"),
        (FRAMES, r"camera 1 \(b\.png\) has no picture: 1 pictures, 2 cameras"),
    ],
)
def test_cameras_that_do_not_fit(
    refused: Callable[..., str], folder: Path, text: str, message: str
) -> None:
    (folder / "transforms.json").write_text(text)
    assert re.search(message, refused(*ESTIMATE, "--cameras", "transforms.json"))


def test_missing_cameras(refused: Callable[..., str]) -> None:
    assert "none.json: no such file or folder of cameras" in refused(
        "render", "scene.xml", "-o", "image.exr", "--cameras", "none.json"
    )


def test_coverage_of_a_sensor_that_is_not_there(refused: Callable[..., str]) -> None:
    line = refused("coverage", "scene.xml", "--sensor", "0,1", "-o", "advice")
    assert "sensor 1: the scene has 1 sensor, numbered from 0" in line


# The report


def test_a_report_of_what_is_no_run(refused: Callable[..., str]) -> None:
    assert "nowhere: holds no finished run" in refused("report", "nowhere")


def test_a_comparison_without_a_name(refused: Callable[..., str]) -> None:
    assert "-o: name the page" in refused("report", "one", "two")


def test_a_report_of_a_run_without_its_map(
    refused: Callable[..., str], folder: Path, make_run: Callable[..., Path]
) -> None:
    run = make_run(folder / "run")
    (run / "envmap.exr").unlink()
    assert "envmap.exr: no such image file" in refused("report", run)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("summary.json", "{", "damaged"),
        ("summary.json", "{}", "no 'exposure' in it"),
        ("history.jsonl", '{"index": 0}', "no 'error' in it"),
        ("thumbnails.npz", "", r"thumbnails\.npz: damaged"),
    ],
)
def test_a_report_of_a_damaged_run(
    refused: Callable[..., str],
    folder: Path,
    make_run: Callable[..., Path],
    name: str,
    text: str,
    message: str,
) -> None:
    run = make_run(folder / "run")
    (run / name).write_text(text)
    assert re.search(message, refused("report", run))


# render


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-o", "nowhere/image.exr"), r"nowhere/image\.exr: cannot be written"),
        (("-o", "image.exr", "--envmap", "nan.exr"), r"nan\.exr: .*NaN"),
        (("-o", "image.exr", "--spp", 2**32), r"spp must be less than 2\^32"),
        (("-o", "image.exr", "--size", 200_000), "size must be at most 65536; found 200000"),
        (("-o", "image.exr", "--size", 60_000), r"3600000000 pixels .* memory .*--size"),
    ],
)
def test_an_image_that_cannot_be_rendered_or_written(
    refused: Callable[..., str], folder: Path, arguments: tuple[Any, ...], message: str
) -> None:
    write_image(folder / "nan.exr", np.full((4, 8, 3), np.nan))
    assert re.search(message, refused("render", "scene.xml", "--spp", 1, *arguments))


# evaluate


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("missing.exr", "map.exr"), r"missing\.exr: no such image file"),
        (("map.exr", "scene.xml"), r"scene\.xml: unknown kind of image"),
        (("map.exr", "short.exr"), r"short\.exr: .*damaged"),
        (("line.exr", "map.exr"), r"line\.exr: a map must have shape \(2 or more, 3 or more, 3\)"),
        (
            ("nan.exr", "map.exr"),
            r"nan\.exr: 3 .* are NaN or infinite, the first in row 5, column 2",
        ),
        (("map.exr", "map.exr", "--coverage", "nan.exr"), r"nan\.exr: 3 .* are NaN or infinite"),
        (("map.exr", "map.exr", "--rows", "top"), "--rows 'top': unknown; .* corner, centred"),
    ],
)
def test_maps_that_cannot_be_compared(
    refused: Callable[..., str], folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    texels = np.ones((8, 16, 3))
    texels[5, 2] = (np.nan, np.inf, -np.inf)
    write_image(folder / "nan.exr", texels)
    write_image(folder / "line.exr", np.ones((1, 16, 3)))
    (folder / "short.exr").write_bytes((folder / "map.exr").read_bytes()[:-100])
    assert re.search(message, refused("evaluate", *arguments))
