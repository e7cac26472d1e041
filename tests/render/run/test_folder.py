from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
from numpy.typing import NDArray
from run_files import RESULTS

import envmap_inverse as ei
from envmap_inverse.images import display_exposure, read_image, tonemap
from envmap_inverse.metrics import compare_maps
from envmap_inverse.problem.problem import Problem
from envmap_inverse.run.folder import RunFolder
from envmap_inverse.run.thumbnails import Thumbnails
from envmap_inverse.solving.estimate import solve


@pytest.fixture(scope="module")
def finished(
    make_scene: Callable[..., ei.Scene], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, ei.Estimate, dict[str, Any], NDArray[np.float32]]:
    """The folder of a run, its result, summary and reference."""
    scene = make_scene()
    folder = tmp_path_factory.mktemp("run") / "run"
    reference = ei.render(scene, spp=16, seed=1)
    settings = {"spp": 1, "size": None}
    run = RunFolder(folder, settings, overwrite=False, frames=False)
    problem = Problem.create(scene, reference, loss=ei.MSE(), ground_truth=scene.envmap.texels)
    run.begin(problem)
    result = solve(problem, ei.Adam(iterations=4, learning_rate=2), run.add)
    run.close()
    summary = run.finish(result, problem, starting=7, loading=100, notes=["a warning"])
    np.testing.assert_array_equal(scene.envmap.texels, make_scene().envmap.texels)
    return folder, result, summary, reference


def test_a_finished_run_holds_the_promised_files(finished: tuple[Path, Any, Any, Any]) -> None:
    expected = RESULTS - {"report.html"} | {"reference.exr", "ground_truth.exr"}
    assert {path.name for path in finished[0].iterdir()} == expected


def test_the_maps_of_a_finished_run_are_the_results_bit_by_bit(
    finished: tuple[Path, ei.Estimate, Any, Any],
) -> None:
    folder, result, *_ = finished
    assert (result.texels < 0).any()  # EXR keeps what no picture can show
    np.testing.assert_array_equal(read_image(folder / "envmap.exr"), result.texels)
    np.testing.assert_array_equal(read_image(folder / "coverage.exr"), result.coverage)


def test_a_finished_run_holds_the_ground_truth(
    finished: tuple[Path, Any, Any, Any], make_scene: Callable[..., ei.Scene]
) -> None:
    truth = read_image(finished[0] / "ground_truth.exr")
    np.testing.assert_array_equal(truth, make_scene().envmap.texels)


def test_a_finished_run_holds_thumbnails_of_its_iterations(
    finished: tuple[Path, ei.Estimate, dict[str, Any], Any],
) -> None:
    folder, result, summary, _ = finished
    thumbnails = Thumbnails.read(folder / "thumbnails.npz")
    assert thumbnails.indices.tolist() == [0, 1, 2, 3]
    last = tonemap(result.texels, summary["exposure"])
    np.testing.assert_array_equal(thumbnails.envmaps[-1], last)


def test_the_image_of_a_finished_run_is_rendered_with_the_result(
    finished: tuple[Path, ei.Estimate, Any, Any], make_scene: Callable[..., ei.Scene]
) -> None:
    folder, result, *_ = finished
    image = read_image(folder / "render.exr")
    samples = [ei.render(make_scene(), result.texels, spp=64, seed=k) for k in range(8)]
    spread = np.std(samples, axis=0, ddof=1) * np.sqrt(1 + 1 / 8)
    # Student's t of 7 degrees of freedom: one of the 192 exceeds 8.4 in 1 % of all runs
    assert (np.abs(image - np.mean(samples, axis=0)) <= 8.4 * spread + 1e-4).all()


def test_the_pictures_of_a_run_have_the_exposure_of_its_reference(
    finished: tuple[Path, Any, dict[str, Any], NDArray[np.float32]],
) -> None:
    folder, _, summary, reference = finished
    exposure = display_exposure(reference)
    assert summary["exposure"] == exposure
    for name in ("envmap", "render"):
        expected = tonemap(read_image(folder / f"{name}.exr"), exposure)
        np.testing.assert_array_equal(iio.imread(folder / f"{name}.png"), expected)


def test_the_summary_on_disk_is_the_one_returned(
    finished: tuple[Path, Any, dict[str, Any], Any],
) -> None:
    folder, _, summary, _ = finished
    assert json.loads((folder / "summary.json").read_text()) == summary


def test_the_summary_tells_how_the_run_went(
    finished: tuple[Path, ei.Estimate, dict[str, Any], Any],
) -> None:
    _, result, summary, _ = finished
    assert (summary["status"], summary["iterations"], summary["dropped_steps"]) == ("done", 4, 0)
    assert summary["loss"] == result.history[-1].loss
    assert summary["error"] == result.history[-1].error
    assert summary["negative_share"] == pytest.approx((result.texels < 0).mean())
    assert summary["seen_share"] == pytest.approx((result.coverage.sum(axis=2) > 0).mean())
    assert summary["settings"] == {"spp": 1, "size": None}
    assert summary["warnings"] == ["a warning"]


def test_the_summary_compares_the_map_with_the_ground_truth(
    finished: tuple[Path, ei.Estimate, dict[str, Any], Any], make_scene: Callable[..., ei.Scene]
) -> None:
    _, result, summary, _ = finished
    truth = make_scene().envmap.texels
    assert summary["metrics"] == compare_maps(result.texels, truth, result.coverage)


def test_the_summary_tells_the_seconds_in_total_and_by_phase(
    finished: tuple[Path, Any, dict[str, Any], Any],
) -> None:
    seconds = dict(finished[2]["seconds"])
    total = seconds.pop("total")
    assert set(seconds) >= {"load", "optimize", "coverage", "files"}
    assert (seconds["start"], seconds["load"]) == (7, 100)
    assert all(value > 0 for value in seconds.values())
    assert sum(seconds.values()) <= total


def test_the_summary_tells_the_versions(finished: tuple[Path, Any, dict[str, Any], Any]) -> None:
    versions = finished[2]["versions"]
    assert versions["envmap_inverse"] == ei.__version__
    assert versions["mitsuba"].startswith("3.9.")
    assert versions["variant"].endswith("_ad_rgb")


def test_the_history_has_a_line_per_iteration(
    finished: tuple[Path, ei.Estimate, Any, Any],
) -> None:
    folder, result, *_ = finished
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    found = [(line["index"], line["loss"], line["error"]) for line in lines]
    assert found == [(record.index, record.loss, record.error) for record in result.history]


def test_pictures_are_exposed_by_the_radiance_of_the_reference(
    make_scene: Callable[..., ei.Scene], tmp_path: Path
) -> None:
    scene = make_scene()
    radiance = ei.render(scene, spp=16, seed=1)
    view = ei.View(4 * radiance, exposure=4.0)
    problem = Problem.create(scene, view, loss=ei.MSE())
    run = RunFolder(tmp_path / "run", {}, overwrite=False, frames=False)
    run.begin(problem)
    result = solve(problem, ei.Adam(iterations=2), run.add)
    run.close()
    summary = run.finish(result, problem, loading=0, notes=[])
    assert summary["exposure"] == pytest.approx(display_exposure(radiance))


def test_other_references_are_kept_beside_their_fits(
    make_scene: Callable[..., ei.Scene], tmp_path: Path
) -> None:
    scene = make_scene(cameras=[(0, 0, 4), (0, 4, 0.1)])
    views = [ei.View(ei.render(scene, spp=16, sensor=k), sensor=k) for k in (0, 1)]
    problem = Problem.create(scene, views, loss=ei.MSE())
    run = RunFolder(tmp_path / "run", {}, overwrite=False, frames=False)
    run.begin(problem)
    result = solve(problem, ei.Adam(iterations=2), run.add)
    run.close()
    run.finish(result, problem, loading=0, notes=[])
    np.testing.assert_array_equal(read_image(tmp_path / "run" / "reference_1.exr"), views[1].image)
    halves = [ei.render(scene, result.texels, 32, 2**31 + k, sensor=1) for k in (0, 1)]
    expected = (halves[0] + halves[1]) / 2
    found = read_image(tmp_path / "run" / "render_1.exr")
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
