"""Every example runs, shortened by its own flags `--size`, `--iterations` and `-o`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from envmap_inverse.bundled import bunny
from envmap_inverse.images import read_image
from envmap_inverse.metrics import sum_of_squared_errors

Completed = subprocess.CompletedProcess[str]

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))
TRUTH = bunny().with_name("museum.exr")
SIZE, ITERATIONS = 32, 2
SHORTENED = ("--size", str(SIZE), "--iterations", str(ITERATIONS), "-o", "results")


@pytest.fixture(scope="module", params=EXAMPLES, ids=lambda path: path.stem)
def example(
    request: pytest.FixtureRequest,
    environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, Completed]:
    """The folder in which an example ran, and how it went."""
    folder = tmp_path_factory.mktemp(request.param.stem)
    done = subprocess.run(
        [sys.executable, "-W", "error", request.param, *SHORTENED],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return folder, done


def printed_errors(done: Completed) -> list[float]:
    return [float(error) for error in re.findall(r"(?m)^Iteration \d+: error=(\S+)", done.stdout)]


def test_there_are_examples() -> None:
    assert EXAMPLES


def test_it_ends_without_complaint(example: tuple[Path, Completed]) -> None:
    _, done = example
    assert (done.returncode, done.stderr) == (0, "")


def test_it_shows_the_error_fall(example: tuple[Path, Completed]) -> None:
    errors = printed_errors(example[1])
    assert len(errors) == ITERATIONS
    assert errors[0] > errors[1]


def test_it_writes_only_into_its_folder(example: tuple[Path, Completed]) -> None:
    folder, _ = example
    assert [path.name for path in folder.iterdir()] == ["results"]


def test_it_saves_whole_images(example: tuple[Path, Completed]) -> None:
    folder, _ = example
    paths = sorted((folder / "results").iterdir())
    assert {"envmap.exr", "envmap.png", "render.exr", "render.png"} <= {p.name for p in paths}
    for path in paths:
        image = read_image(path)
        assert np.isfinite(image).all(), path.name
        if path.stem != "envmap":
            assert image.shape == (SIZE, SIZE, 3), path.name


def test_the_saved_map_has_the_last_error(example: tuple[Path, Completed]) -> None:
    folder, done = example
    texels, truth = read_image(folder / "results" / "envmap.exr"), read_image(TRUTH)
    last = printed_errors(done)[-1]
    assert sum_of_squared_errors(texels, truth) == pytest.approx(last, rel=1e-5)
