from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from run_files import names_in

import envmap_inverse as ei
from envmap_inverse.images import read_image, tonemap, write_image
from envmap_inverse.metrics import compare_maps

Completed = subprocess.CompletedProcess[str]
Call = Callable[..., Completed]
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def demo(call: Call, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Completed]:
    folder = tmp_path_factory.mktemp("demo")
    done = call("demo", "--size", 16, "--iterations", 3, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "bunny-demo", done


# render and params


def test_render_writes_the_image_that_the_library_renders(
    call: Call, inputs: Path, tmp_path: Path
) -> None:
    done = call(
        *("render", "scene.xml", "-o", tmp_path / "image.exr"),
        *("--spp", 8, "--seed", 5, "--size", 6),
        cwd=inputs,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"wrote {tmp_path / 'image.exr'}: 6 x 6\n"
    scene = ei.load_scene(inputs / "scene.xml")
    scene.set_film_size(6)
    expected = ei.render(scene, spp=8, seed=5)
    np.testing.assert_array_equal(read_image(tmp_path / "image.exr"), expected)
    assert names_in(tmp_path) == {"image.exr"}


def test_render_takes_another_map_of_any_size(call: Call, inputs: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "gray.hdr", np.full((5, 7, 3), 0.25))
    done = call(
        *("render", inputs / "scene.xml", "-o", "image.png", "--envmap", "gray.hdr", "--spp", 1),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert (iio.imread(tmp_path / "image.png")[0, 0] == tonemap([0.25])[0]).all()


def test_params_prints_the_table_of_the_library(call: Call, inputs: Path) -> None:
    done = call("params", "scene.xml", cwd=inputs)
    expected = str(ei.load_scene(inputs / "scene.xml").parameters)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{expected}\n", "")


@pytest.mark.parametrize("arguments", [("params", "scene.xml"), ("--help",), ("render", "--help")])
def test_a_closed_pipe_is_no_reason_to_complain(
    start: Start, inputs: Path, arguments: tuple[str, ...]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with start(*arguments, cwd=inputs, stdout=writer) as process:
        os.close(writer)
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (0, "")


@pytest.mark.parametrize(("closed", "scene", "status"), [(1, "scene.xml", 0), (2, "no.xml", 2)])
def test_a_closed_stream_is_no_reason_to_fail(
    start: Start, inputs: Path, closed: int, scene: str, status: int
) -> None:
    arguments = ("params", scene, "--trust-input")
    with start(*arguments, cwd=inputs, preexec_fn=lambda: os.close(closed)) as process:
        process.communicate(timeout=60)
    assert process.returncode == status


# evaluate


def test_evaluate_prints_a_table(call: Call, inputs: Path, tmp_path: Path) -> None:
    estimate, coverage = np.ones((8, 16, 3)), np.zeros((8, 16, 3))
    coverage[:4] = 1
    write_image(tmp_path / "estimate.exr", estimate)
    write_image(tmp_path / "coverage.exr", coverage)
    files = (tmp_path / "estimate.exr", "map.exr", "--coverage", tmp_path / "coverage.exr")
    done = call("evaluate", *files, cwd=inputs)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"sphere\W+seen \(50\.0 %\)\W+unseen \(50\.0 %\)", done.stdout)
    found = compare_maps(estimate, read_image(inputs / "map.exr"), coverage)
    parts = (found, found["seen"], found["unseen"])
    numbers = r"\W+".join(re.escape(f"{part['log_rmse']:.4g}") for part in parts)
    assert re.search(rf"log RMSE\W+{numbers}\W", done.stdout)
    assert re.search(r"light angle, mean \(degrees\)( +│ +-){3} │", done.stdout)


def test_evaluate_prints_json_and_nothing_else(call: Call, inputs: Path, tmp_path: Path) -> None:
    estimate = np.full((8, 16, 3), -1.0)
    write_image(tmp_path / "estimate.exr", estimate)
    done = call("evaluate", tmp_path / "estimate.exr", "map.exr", "--json", cwd=inputs)
    assert done.returncode == 0
    found = json.loads(done.stdout, parse_constant=pytest.fail)
    assert found == compare_maps(estimate, read_image(inputs / "map.exr"))
    assert re.fullmatch(r"warning: .*estimate\.exr: 100 % .* negative; .*\n", done.stderr)


# doctor and help


def test_doctor_finds_nothing_missing_where_the_tests_run(call: Call) -> None:
    done = call("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    found = dict(re.findall(r"^(\S.*?) {2,}(.*\S)", done.stdout, re.MULTILINE))
    assert found["mitsuba"].startswith("3.9.")
    assert found["envmap_inverse"] == ei.__version__
    assert found["libatomic.so.1"] == "present"
    assert re.match(r"(llvm|cuda)_ad_rgb \(.*a kernel gave 2\)", found["variant"])
    assert {"python", "drjit", "CUDA", "kernel cache", "probe cache", "ffmpeg"} <= set(found)
    lines = done.stdout.splitlines()
    assert lines[0] == lines[-1] == "Nothing is missing."


def test_doctor_prints_each_finding_in_one_line(call: Call, tmp_path: Path) -> None:
    cache = tmp_path / ("long" * 20)
    done = call("doctor", env={"XDG_CACHE_HOME": str(cache)})
    assert str(cache / "envmap-inverse") in done.stdout


def test_doctor_tells_why_the_users_library_is_not_used(call: Call) -> None:
    chosen = "/nowhere/libLLVM-14.so.1"
    done = call("doctor", env={"DRJIT_LIBLLVM_PATH": chosen})
    assert done.returncode == 0
    assert re.search(rf"{chosen} .*no such file", done.stdout)


def test_the_version_is_that_of_the_package(call: Call) -> None:
    done = call("--version")
    assert (done.returncode, done.stdout) == (0, f"envmap-inverse {ei.__version__}\n")


def test_the_package_is_the_command(environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "envmap_inverse", "--version"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"envmap-inverse {ei.__version__}\n"


def test_the_command_starts_without_what_only_runs_need(environment: dict[str, str]) -> None:
    code = "import sys, envmap_inverse.cli; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    slow = {"mitsuba", "drjit", "scipy.optimize", "scipy.special", "jinja2", "IPython"}
    assert slow.isdisjoint(done.stdout.split())


def test_help_names_every_command(call: Call) -> None:
    alone, asked = call(), call("--help")
    assert alone.returncode == asked.returncode == 0
    assert alone.stdout == asked.stdout
    for command in ("demo", "params", "render", "estimate", "evaluate", "report", "doctor"):
        assert re.search(rf"^  {command} +[A-Z]", asked.stdout, re.MULTILINE), command


def test_help_explains_every_option_of_estimate(call: Call) -> None:
    done = call("estimate", "--help", env={"COLUMNS": "200"})
    assert done.returncode == 0
    options = (
        "--output --optimizer --iterations --learning-rate --robust --parameterization --spp "
        "--seconds --seed --size --full-size --map-size --sensor --refine --loss "
        "--prior --initial --ground-truth --frames --report --config --overwrite"
    )
    for option in options.split():
        explained = re.search(rf"{option}\b(.*?)(?=\n  -|\Z)", done.stdout, re.DOTALL)
        assert explained, option
        assert re.search(r"[A-Za-z]{2,}[^.]*\.", explained[1]), option


def test_shells_can_complete_commands(call: Call) -> None:
    done = call(
        env={
            "_ENVMAP_INVERSE_COMPLETE": "complete_bash",
            "COMP_WORDS": "envmap-inverse es",
            "COMP_CWORD": "1",
        }
    )
    assert done.stdout.split() == ["estimate"]
