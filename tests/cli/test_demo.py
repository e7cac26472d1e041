from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import pytest
from run_files import RESULTS, frames_of, history_of, names_in

from envmap_inverse.images import read_image

Completed = subprocess.CompletedProcess[str]
Call = Callable[..., Completed]


@pytest.fixture(scope="module")
def demo(call: Call, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Completed]:
    folder = tmp_path_factory.mktemp("demo")
    done = call("demo", "--size", 16, "--iterations", 3, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "bunny-demo", done


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
    *_, last = done.stdout.splitlines()
    waited = re.fullmatch(r"([\d.]+) s since the start: (start .*, transport .*, adam .*)", last)
    assert waited
    phases = [float(word) for word in re.findall(r"[\d.]+", waited[2])]
    assert sum(phases) == pytest.approx(float(waited[1]), abs=0.1 * (1 + len(phases)))
    assert re.search(r"^3 iterations in [\d.]+ s$", done.stdout, re.MULTILINE)
    assert re.search(
        r"error of the map: sum of squared errors [\d.e+]+, log RMSE [\d.]+", done.stdout
    )
    names = ("compare.html", "envmap.png", "tutorial/envmap.png", "tutorial/convergence.mp4")
    told = done.stdout.rpartition("\nopen\n")[2].splitlines()[:-1]
    assert [line.split()[0] for line in told] == [f"{folder.name}/{name}" for name in names]
    assert all((folder / name).is_file() for name in names)
    lines = done.stderr.splitlines()  # it runs a few iterations only
    assert all(line.startswith("warning: the loss was still falling") for line in lines)


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
    assert done.stdout.splitlines()[-3].split()[0] == "one/report.html"


def test_a_second_demo_takes_another_folder(call: Call, tmp_path: Path) -> None:
    (tmp_path / "bunny-demo").mkdir()
    arguments = ("--size", 8, "--iterations", 1, "--no-frames", "--optimizer", "transport")
    done = call("demo", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert names_in(tmp_path) == {"bunny-demo", "bunny-demo-2"}
    assert names_in(tmp_path / "bunny-demo-2") >= RESULTS
    assert not names_in(tmp_path / "bunny-demo-2") & frames_of(1)
