from __future__ import annotations

import json
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import imageio_ffmpeg
import numpy as np
import pytest

import envmap_inverse as ei
from envmap_inverse.images import read_image, tonemap, write_image
from envmap_inverse.metrics import compare_maps, sum_of_squared_errors
from envmap_inverse.sphere.latlong import resample

Completed = subprocess.CompletedProcess[str]
Call = Callable[..., Completed]
Start = Callable[..., subprocess.Popen[str]]

RESULTS = {
    "envmap.exr",
    "envmap.png",
    "render.exr",
    "render.png",
    "coverage.exr",
    "history.jsonl",
    "summary.json",
    "run.toml",
    "thumbnails.npz",
    "report.html",
}


ADAM = ("--optimizer", "adam")


def frames_of(iterations: int) -> set[str]:
    numbered = {f"{kind}_{k:03d}.png" for kind in ("out", "envmap") for k in range(iterations)}
    return numbered | {"out_ref.png", "convergence.mp4"}


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def history_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def without_seconds(history: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(line["index"], line["loss"], line["error"]) for line in history]


@pytest.fixture(scope="module")
def demo(call: Call, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Completed]:
    folder = tmp_path_factory.mktemp("demo")
    done = call("demo", "--size", 16, "--iterations", 3, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "bunny-demo", done


@pytest.fixture(scope="module")
def estimated(
    call: Call, inputs: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Completed]:
    folder = tmp_path_factory.mktemp("estimated") / "run"
    arguments = ("--iterations", 6, "--learning-rate", 0.05, "--seed", 4, "--frames", *ADAM)
    done = call(
        *("estimate", "scene.xml", "reference.exr", "-o", folder, *arguments),
        *("--ground-truth", "map.exr"),
        cwd=inputs,
    )
    assert done.returncode == 0, done.stderr
    return folder, done


# demo


def test_the_demo_leaves_our_files_and_the_tutorials_beneath(demo: tuple[Path, Completed]) -> None:
    files = RESULTS | {"reference.exr", "ground_truth.exr"}
    assert names_in(demo[0]) == files | {"deviation.exr", "compare.html", "tutorial"}
    assert names_in(demo[0] / "tutorial") == files | frames_of(3)
    runs = [tomllib.loads((f / "run.toml").read_text()) for f in (demo[0], demo[0] / "tutorial")]
    assert [run["optimizer"] for run in runs] == ["transport", "adam"]


def test_the_demo_films_every_iteration_of_the_tutorial(demo: tuple[Path, Completed]) -> None:
    video = demo[0] / "tutorial" / "convergence.mp4"
    assert imageio_ffmpeg.count_frames_and_secs(str(video))[0] == 3


def test_the_demo_says_how_it_went_and_what_to_open(demo: tuple[Path, Completed]) -> None:
    folder, done = demo
    pattern = r"^Iteration (\d{3}): sum of squared errors [\d.e+]+, log RMSE [\d.]+, loss [\d.]+$"
    assert "000" in re.findall(pattern, done.stdout, re.MULTILINE)
    waited = re.search(
        r"3 iterations in [\d.]+ s; ([\d.]+) s since the start: start [\d.]+, (.*)$",
        done.stdout,
        re.MULTILINE,
    )
    assert waited
    phases = [float(word) for word in re.findall(r"[\d.]+", waited[0].partition("start: ")[2])]
    assert sum(phases) == pytest.approx(float(waited[1]), abs=0.1 * (1 + len(phases)))
    assert re.search(
        r"error of the map: sum of squared errors [\d.e+]+, log RMSE [\d.]+", done.stdout
    )
    names = ("compare.html", "envmap.png", "tutorial/envmap.png", "tutorial/convergence.mp4")
    told = done.stdout.rpartition("\nopen\n")[2].splitlines()
    assert [line.split()[0] for line in told] == [f"{folder.name}/{name}" for name in names]
    assert all((folder / name).is_file() for name in names)
    assert done.stderr == ""


def test_the_demo_compares_its_two_runs(demo: tuple[Path, Completed]) -> None:
    folder, done = demo
    table = done.stdout.partition("Errors of the maps")[2]
    for head in ("seconds", "radiance^2", "degrees", "log RMSE", "Transport()", "Adam()"):
        assert head in table
    for run in (folder, folder / "tutorial"):
        summary = json.loads((run / "summary.json").read_text())
        assert f"│ {summary['error']:,.0f} " in table
        assert f"│ {summary['metrics']['log_rmse']:.3g} " in table


def test_the_demo_measures_itself_against_the_bundled_map(demo: tuple[Path, Completed]) -> None:
    errors = [line["error"] for line in history_of(demo[0] / "tutorial")]
    assert errors[0] > errors[1] > errors[2] > 0
    assert read_image(demo[0] / "envmap.exr").shape == (125, 250, 3)


@pytest.mark.parametrize("name", ["adam", "transport"])
def test_the_demo_of_one_optimizer_has_its_files_at_the_top(
    call: Call, tmp_path: Path, name: str
) -> None:
    options = ("--size", 8, "--iterations", 2, "--optimizer", name, "-o", "one")
    done = call("demo", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert names_in(tmp_path / "one") >= RESULTS | frames_of(2)
    assert not (tmp_path / "one" / "tutorial").exists()
    assert done.stdout.splitlines()[-2:][0].split()[0] == "one/report.html"


def test_a_second_demo_takes_another_folder(call: Call, tmp_path: Path) -> None:
    (tmp_path / "bunny-demo").mkdir()
    arguments = ("--size", 8, "--iterations", 1, "--no-frames", "--optimizer", "transport")
    done = call("demo", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert names_in(tmp_path) == {"bunny-demo", "bunny-demo-2"}
    assert names_in(tmp_path / "bunny-demo-2") >= RESULTS
    assert not names_in(tmp_path / "bunny-demo-2") & frames_of(1)


# estimate


def test_an_estimate_leaves_the_promised_files(estimated: tuple[Path, Completed]) -> None:
    assert names_in(estimated[0]) == RESULTS | frames_of(6) | {"reference.exr", "ground_truth.exr"}


def test_an_estimate_is_that_of_the_library(
    estimated: tuple[Path, Completed], inputs: Path
) -> None:
    scene = ei.load_scene(inputs / "scene.xml")
    expected = ei.estimate(
        scene,
        read_image(inputs / "reference.exr"),
        optimizer=ei.Adam(iterations=6, learning_rate=0.05, seed=4),
        ground_truth=read_image(inputs / "map.exr"),
    )
    found = read_image(estimated[0] / "envmap.exr")
    np.testing.assert_allclose(found, expected.texels, rtol=1e-4, atol=1e-5)
    for line, record in zip(history_of(estimated[0]), expected.history, strict=True):
        assert line["loss"] == pytest.approx(record.loss, rel=1e-5)
        assert line["error"] == pytest.approx(record.error, rel=1e-5)


def test_the_summary_of_an_estimate_agrees_with_its_files(
    estimated: tuple[Path, Completed], inputs: Path
) -> None:
    folder, _ = estimated
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["status"], summary["iterations"]) == ("done", 6)
    error = sum_of_squared_errors(read_image(folder / "envmap.exr"), read_image(inputs / "map.exr"))
    assert summary["error"] == pytest.approx(error, rel=1e-4)
    assert summary["metrics"]["sse"] == pytest.approx(error, rel=1e-6)
    assert summary["metrics"].keys() >= {"rmse", "log_rmse", "angular_mean_deg", "seen", "unseen"}
    assert history_of(folder)[0].keys() >= {"error", "rmse", "log_rmse", "angular_mean_deg"}
    assert summary["settings"]["learning_rate"] == 0.05
    assert summary["warnings"] == []


def test_a_ground_truth_of_another_size_is_resampled_with_a_warning(
    call: Call, inputs: Path, tmp_path: Path
) -> None:
    truth = resample(read_image(inputs / "map.exr"), 16, 32)
    write_image(tmp_path / "large.exr", truth)
    folder = tmp_path / "run"
    arguments = ("--iterations", 1, "--ground-truth", tmp_path / "large.exr", "-o", folder)
    done = call("estimate", "scene.xml", "reference.exr", *arguments, cwd=inputs)
    assert done.returncode == 0, done.stderr
    message = r"--ground-truth .*large\.exr: is 32 x 16; resampled to the scene's 16 x 8"
    assert re.match(f"warning: {message}", done.stderr)
    summary = json.loads((folder / "summary.json").read_text())
    assert re.match(message, summary["warnings"][0])
    found = read_image(folder / "envmap.exr")
    expected = sum_of_squared_errors(found, resample(truth, 8, 16))
    assert summary["metrics"]["sse"] == pytest.approx(expected, rel=1e-5)


def test_the_last_frame_is_the_final_map(estimated: tuple[Path, Completed]) -> None:
    folder, _ = estimated
    np.testing.assert_array_equal(
        iio.imread(folder / "envmap_005.png"), iio.imread(folder / "envmap.png")
    )


def test_the_settings_of_an_estimate_are_kept(
    estimated: tuple[Path, Completed], inputs: Path
) -> None:
    settings = tomllib.loads((estimated[0] / "run.toml").read_text())
    assert settings["scene"] == str(inputs / "scene.xml")
    assert settings["reference"] == [str(inputs / "reference.exr")]
    assert settings["ground_truth"] == str(inputs / "map.exr")
    assert (settings["iterations"], settings["seed"], settings["loss"]) == (6, 4, "MSE")


def test_the_settings_that_were_kept_repeat_the_run_from_any_folder(
    estimated: tuple[Path, Completed], call: Call, tmp_path: Path
) -> None:
    folder, _ = estimated
    arguments = ("estimate", "--config", folder / "run.toml", "-o", "again", "--no-frames")
    done = call(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    expected = without_seconds(history_of(folder))
    for found, wanted in zip(
        without_seconds(history_of(tmp_path / "again")), expected, strict=True
    ):
        assert found == pytest.approx(wanted, rel=1e-6)
    assert not names_in(tmp_path / "again") & frames_of(6)


def test_a_report_can_be_made_again_from_the_folder_alone(
    estimated: tuple[Path, Completed], call: Call, tmp_path: Path
) -> None:
    folder, made = estimated
    assert f"report in {folder / 'report.html'}" in made.stdout
    again = tmp_path / "again.html"
    done = call("report", folder, "-o", again)
    assert (done.returncode, done.stdout) == (0, f"report in {again}\n")
    assert again.read_bytes() == (folder / "report.html").read_bytes()


def test_several_runs_are_compared_on_one_page(
    estimated: tuple[Path, Completed], demo: tuple[Path, Completed], call: Call, tmp_path: Path
) -> None:
    page = tmp_path / "compare.html"
    done = call("report", estimated[0], demo[0], "-o", page)
    assert done.returncode == 0, done.stderr
    assert "2 runs compared" in page.read_text()


def test_a_run_without_report_leaves_none(call: Call, inputs: Path, tmp_path: Path) -> None:
    arguments = ("scene.xml", "reference.exr", "-o", tmp_path / "run", "--iterations", 1)
    done = call("estimate", *arguments, "--no-report", cwd=inputs)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "run" / "report.html").exists()


def test_a_robust_run_is_repeated_by_its_settings(call: Call, inputs: Path, tmp_path: Path) -> None:
    arguments = ("--robust", "--parameterization", "Softplus:knee=0.5", "--iterations", 25)
    first = call(
        *("estimate", "scene.xml", "reference.exr", "-o", tmp_path / "first", *arguments),
        cwd=inputs,
    )
    assert first.returncode == 0, first.stderr
    again = call("estimate", "--config", tmp_path / "first" / "run.toml", "-o", tmp_path / "again")
    assert again.returncode == 0, again.stderr
    runs = [
        tomllib.loads((tmp_path / name / "run.toml").read_text()) for name in ("first", "again")
    ]
    assert runs[0]["robust"] is True
    assert runs[0]["parameterization"] == "Softplus:knee=0.5,floor=0.01"
    assert runs[0]["learning_rate"] == 0.08
    assert runs[1] == {**runs[0], "output": str(tmp_path / "again")}
    maps = [read_image(tmp_path / name / "envmap.exr") for name in ("first", "again")]
    np.testing.assert_allclose(*maps, rtol=1e-4)
    assert maps[0].min() > 0


def test_options_of_the_command_line_override_those_of_the_config(
    estimated: tuple[Path, Completed], call: Call, tmp_path: Path
) -> None:
    folder, _ = estimated
    done = call(
        *("estimate", "--config", folder / "run.toml", "-o", tmp_path / "run"),
        *("--iterations", 2, "--initial", 0.5, "--no-frames"),
    )
    assert done.returncode == 0, done.stderr
    settings = tomllib.loads((tmp_path / "run" / "run.toml").read_text())
    assert (settings["iterations"], settings["initial"], settings["seed"]) == (2, "0.5", 4)
    assert len(history_of(tmp_path / "run")) == 2


def test_a_folder_that_holds_a_run_is_kept_unless_it_may_be_overwritten(
    estimated: tuple[Path, Completed], call: Call, inputs: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(estimated[0], folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    arguments = ("estimate", "scene.xml", "reference.exr", "-o", folder, "--iterations", 1, *ADAM)
    refused = call(*arguments, cwd=inputs)
    assert refused.returncode == 2
    assert re.fullmatch(rf"error: {folder}: already holds a run .*--overwrite\n", refused.stderr)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert call(*arguments, "--overwrite", cwd=inputs).returncode == 0
    assert names_in(folder) == RESULTS | {"reference.exr"}
    assert len(history_of(folder)) == 1


def test_the_film_can_be_made_to_fit_the_reference(
    call: Call, inputs: Path, tmp_path: Path
) -> None:
    scene = ei.load_scene(inputs / "scene.xml", resolution=12)
    write_image(tmp_path / "photo.png", ei.render(scene, spp=16))
    done = call(
        *("estimate", inputs / "scene.xml", "photo.png", "-o", "run", "--size", 12),
        *("--iterations", 1, "--initial", inputs / "map.exr", *ADAM),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert read_image(tmp_path / "run" / "render.exr").shape == (12, 12, 3)
    np.testing.assert_allclose(
        read_image(tmp_path / "run" / "envmap.exr"), read_image(inputs / "map.exr"), atol=0.021
    )


def test_a_terminal_shows_a_live_line(
    environment: dict[str, str], start: Start, inputs: Path, tmp_path: Path
) -> None:
    ours, theirs = pty.openpty()
    arguments = ("estimate", "scene.xml", "reference.exr", "-o", tmp_path / "run")
    truth = ("--iterations", 40, "--ground-truth", "map.exr", *ADAM)
    terminal = {"TERM": "xterm", "COLUMNS": "120"}
    seen = b""
    streams = {"stdout": theirs, "stderr": theirs}
    with start(*arguments, *truth, cwd=inputs, **streams, env=terminal) as process:
        os.close(theirs)
        try:
            while chunk := os.read(ours, 65536):
                seen += chunk
        except OSError:  # Linux's way to say that the other side is closed
            pass
        os.close(ours)
        assert process.wait(timeout=60) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode())
    assert re.search(r"Solving .*40/40 +sum of squared errors [\d.]+.* loss [\d.e-]+ ", text)
    assert re.search(r"Solving .* \d?\d:\d\d\W", text)  # the time that is left
    assert "Iteration 003:" not in text
    stages = ("Reading scene.xml", "Starting Mitsuba", "Solving", "Writing files", "Writing report")
    for name in stages:
        assert name in text, name
    assert "render.png" in text


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_a_signal_ends_a_run_with_its_status_after_saving(
    start: Start, inputs: Path, tmp_path: Path, number: int, status: int
) -> None:
    folder = tmp_path / "run"
    arguments = ("estimate", "scene.xml", "reference.exr", "-o", folder, "--frames", *ADAM)
    with start(*arguments, "--iterations", 1_000_000, cwd=inputs) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Iteration 005"):
                process.send_signal(number)
                break
        rest, stderr = process.communicate(timeout=60)
    assert process.returncode == status
    assert "Traceback" not in stderr
    assert "results in" in rest
    assert re.search(r"^interrupted after \d+ of 1000000 iterations", rest, re.MULTILINE)
    again = re.search(r"^go on with: (envmap-inverse .*)$", rest, re.MULTILINE)
    assert again
    words = [*map(str, arguments), "--iterations", "1000000", "--resume"]
    assert shlex.split(again[1]) == ["envmap-inverse", *words]
    summary = json.loads((folder / "summary.json").read_text())
    history = history_of(folder)
    assert summary["status"] == "interrupted"
    assert 6 <= len(history) == summary["iterations"] < 1_000_000
    assert RESULTS | frames_of(len(history)) <= names_in(folder)
    assert read_image(folder / "envmap.exr").shape == (8, 16, 3)
    frames, _ = imageio_ffmpeg.count_frames_and_secs(str(folder / "convergence.mp4"))
    assert frames == len(history)


def test_a_run_outlives_the_reader_of_its_output(
    start: Start, inputs: Path, tmp_path: Path
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    arguments = ("estimate", "scene.xml", "reference.exr", "-o", tmp_path / "run")
    with start(*arguments, "--iterations", 3, *ADAM, cwd=inputs, stdout=writer) as process:
        os.close(writer)
        _, stderr = process.communicate(timeout=60)
    assert "Traceback" not in stderr
    assert names_in(tmp_path / "run") == RESULTS | {"reference.exr"}


def test_a_run_that_meets_only_nan_fails_with_an_explanation(
    call: Call, inputs: Path, tmp_path: Path
) -> None:
    arguments = ("--iterations", 500, "--learning-rate", 3e38, *ADAM)
    done = call(
        *("estimate", "scene.xml", "reference.exr", "-o", tmp_path / "run", *arguments), cwd=inputs
    )
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "NaN or infinity" in errors[0]
    assert "Traceback" not in done.stderr
    assert names_in(tmp_path / "run") == RESULTS | {"reference.exr"}


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
    assert re.search(r"light angle, mean \(deg\)( +│ +-){3} │", done.stdout)


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
        "--seed --size --full-size --map-size --sensor --refine --loss "
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
