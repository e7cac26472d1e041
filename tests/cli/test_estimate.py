from __future__ import annotations

import json
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import imageio_ffmpeg
import numpy as np
import pytest
from run_files import RESULTS, frames_of, history_of, names_in

import envmap_inverse as ei
from envmap_inverse.images import read_image, write_image
from envmap_inverse.metrics import sum_of_squared_errors
from envmap_inverse.sphere.latlong import resample

Completed = subprocess.CompletedProcess[str]
Call = Callable[..., Completed]
Start = Callable[..., subprocess.Popen[str]]


ADAM = ("--optimizer", "adam")


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
    assert all(text.startswith("the loss was still falling") for text in summary["warnings"])


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
    estimated: tuple[Path, Completed], call: Call
) -> None:
    folder, made = estimated
    assert f"report in {folder / 'report.html'}" in made.stdout
    again = folder / "again.html"  # beside the files that it has links to
    done = call("report", folder, "-o", again)
    assert (done.returncode, done.stdout) == (0, f"report in {again}\n")
    assert again.read_bytes() == (folder / "report.html").read_bytes()
    again.unlink()


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
    steep = ("--learning-rate", 1e15, "--parameterization", "Exp")
    arguments = ("--iterations", 500, *steep, *ADAM)
    done = call(
        *("estimate", "scene.xml", "reference.exr", "-o", tmp_path / "run", *arguments), cwd=inputs
    )
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "NaN or infinity" in errors[0]
    assert "Traceback" not in done.stderr
    assert names_in(tmp_path / "run") == RESULTS | {"reference.exr", "start.exr"}


def test_a_run_with_a_time_limit_can_be_repeated(call: Call, inputs: Path, tmp_path: Path) -> None:
    files = inputs / "scene.xml", inputs / "reference.exr"
    done = call("estimate", *files, "-o", tmp_path / "run", "--seconds", 0.001, "--no-report")
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 iterations" in done.stdout
    assert "seconds = 0.001" in (tmp_path / "run" / "run.toml").read_text()
    config = ("--config", tmp_path / "run" / "run.toml")
    done = call("estimate", *config, "-o", tmp_path / "again", "--no-report")
    assert (done.returncode, done.stderr) == (0, "")
