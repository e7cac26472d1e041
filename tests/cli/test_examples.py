"""Every example runs, shortened by its own flags, and leaves its pictures."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from envmap_inverse.bundled import bunny
from envmap_inverse.images import read_image
from envmap_inverse.metrics import sum_of_squared_errors

Completed = subprocess.CompletedProcess[str]
RunExample = Callable[[str], tuple[Path, Completed]]

FOLDER = Path(__file__).parents[2] / "examples"
TRUTH = bunny().with_name("museum.exr")
SIZE, ITERATIONS = 32, 2
SHORTENED = ("--size", str(SIZE), "-o", "results")
WARNINGS = ("-W", "error", "-W", "ignore:the loss was still falling")  # as the shortened runs are
FEWER = {"bunny": ("--iterations", str(ITERATIONS)), "sun_crossing": ("--frames", "3")}
PICTURES = {
    "bracketing": {"normal", "dark", "light", "envmap-normal", "envmap-three", "envmap-true"},
    "bunny": {"reference", "render", "envmap"},
    "mirror_ball": {"photo", "envmap-exact", "envmap-bounds", "envmap-true"},
    "multi_view": {"envmap-front", "envmap-back", "envmap-both", "coverage-both", "envmap-true"},
    "own_optimizer": {"photo", "envmap-transport", "envmap-own", "envmap-true"},
    "product_shot": {"photo", "mask", "envmap-unmasked", "envmap-masked", "envmap-true"},
    "sun_crossing": {"photo", "envmap", "envmap-true"},
    "relight": {"photo", "composite", "truth", "envmap", "envmap-true"},
}
"""What each example leaves, among others."""


@pytest.fixture(scope="module")
def run_example(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> RunExample:
    """Runs an example, once, and tells the folder in which it ran, and how it went."""

    @cache
    def run(name: str) -> tuple[Path, Completed]:
        folder = tmp_path_factory.mktemp(name)
        steps = FEWER.get(name, ())
        done = subprocess.run(
            [sys.executable, *WARNINGS, FOLDER / f"{name}.py", *SHORTENED, *steps],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return folder, done

    return run


@pytest.fixture(params=PICTURES)
def example(request: pytest.FixtureRequest, run_example: RunExample) -> tuple[Path, Completed]:
    """Each example in turn."""
    return run_example(request.param)


@pytest.fixture
def bunny_example(run_example: RunExample) -> tuple[Path, Completed]:
    return run_example("bunny")


def printed_errors(done: Completed) -> list[float]:
    return [float(error) for error in re.findall(r"(?m)^Iteration \d+: error=(\S+)", done.stdout)]


def test_every_example_is_tested() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == set(PICTURES)


def test_it_ends_without_complaint(example: tuple[Path, Completed]) -> None:
    _, done = example
    assert (done.returncode, done.stderr) == (0, "")


def test_the_bunny_shows_the_error_fall(bunny_example: tuple[Path, Completed]) -> None:
    errors = printed_errors(bunny_example[1])
    assert len(errors) == ITERATIONS
    assert errors[0] > errors[1]


def test_it_writes_only_into_its_folder(example: tuple[Path, Completed]) -> None:
    folder, _ = example
    assert [path.name for path in folder.iterdir()] == ["results"]


def test_it_saves_whole_images(
    example: tuple[Path, Completed], request: pytest.FixtureRequest
) -> None:
    folder, _ = example
    paths = sorted(path for path in (folder / "results").rglob("*") if path.is_file())
    wanted = PICTURES[request.node.callspec.params["example"]]
    assert wanted <= {path.stem for path in paths if path.suffix == ".png"}
    for path in paths:
        image = read_image(path)
        assert np.isfinite(image).all(), path.name
        assert image.any(), path.name
        if path.stem.startswith(("envmap", "coverage")):
            assert image.shape == (125, 250, 3), path.name
        else:
            assert image.shape[1] == SIZE, path.name


def test_the_saved_map_of_the_bunny_has_the_last_error(
    bunny_example: tuple[Path, Completed],
) -> None:
    folder, done = bunny_example
    texels, truth = read_image(folder / "results" / "envmap.exr"), read_image(TRUTH)
    last = printed_errors(done)[-1]
    assert sum_of_squared_errors(texels, truth) == pytest.approx(last, rel=1e-5)


def test_the_command_line_and_the_report_find_an_optimizer_that_is_listed(
    environment: dict[str, str], inputs: Path, tmp_path: Path
) -> None:
    code = """
from own_optimizer import ProjectedGradient
from envmap_inverse.optimizers import choices
choices.OPTIMIZERS += (ProjectedGradient,)
from envmap_inverse.cli import main
main()
"""
    arguments = ("estimate", "scene.xml", "reference.exr", "-o", tmp_path / "run", "--trust-input")
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--optimizer", "projectedgradient:iterations=3"],
        cwd=inputs,
        env={**environment, "PYTHONPATH": str(FOLDER)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "by projectedgradient in" in (tmp_path / "run" / "report.html").read_text()
    settings = tomllib.loads((tmp_path / "run" / "run.toml").read_text())
    assert (settings["optimizer"], settings["iterations"]) == ("projectedgradient", 3)
