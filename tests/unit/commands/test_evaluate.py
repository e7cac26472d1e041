from __future__ import annotations

import html
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from direct import called
from numpy.typing import NDArray

from envmap_inverse import InputError
from envmap_inverse.commands import evaluate as command
from envmap_inverse.commands.evaluate import Projection, Protocol
from envmap_inverse.console.options import RowConvention
from envmap_inverse.images import read_image, write_image
from envmap_inverse.metrics import compare_maps
from envmap_inverse.sphere.latlong import resample
from envmap_inverse.sphere.projections import Latlong, MirrorBall
from envmap_inverse.sphere.reproject import reproject

evaluate = called(command.evaluate)

Map = NDArray[np.float64]
Measure = Callable[..., dict[str, Any]]


def smooth_map(height: int, width: int, *, rows: str = "corner", phase: float = 0) -> Map:
    v = np.arange(height) / (height - 1) if rows == "corner" else (np.arange(height) + 0.5) / height
    u = (np.arange(width) + 0.5) / width
    wave = np.cos(2 * np.pi * u[None] + phase) * np.sin(np.pi * v[:, None])
    return np.stack([2 + wave, 3 - wave, 2 + np.cos(np.pi * v[:, None]) + 0 * wave], axis=2)


@pytest.fixture
def measure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Measure:
    """The errors that `evaluate --json` prints of arrays."""

    def run(estimate: Map, truth: Map, coverage: Map | None = None, **options: Any) -> Any:
        files = {"estimate": estimate, "truth": truth, "coverage": coverage}
        paths = {name: tmp_path / f"{name}.exr" for name in files}
        for name, array in files.items():
            if array is not None:
                write_image(paths[name], array)
        seen = None if coverage is None else paths["coverage"]
        evaluate(paths["estimate"], paths["truth"], seen, as_json=True, **options)
        return json.loads(capsys.readouterr().out, parse_constant=pytest.fail)

    return run


def test_the_errors_are_those_of_compare_maps(measure: Measure, random_map: Any) -> None:
    estimate, truth = random_map(seed=1), random_map(seed=2)
    coverage = np.where(random_map(seed=3) > 1.5, 1, 0)
    assert measure(estimate, truth, coverage) == compare_maps(estimate, truth, coverage)


@pytest.mark.filterwarnings("ignore:.*data window")
@pytest.mark.parametrize("primaries", [(0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329), None])
def test_a_map_of_any_colours_and_windows_has_no_error_against_itself(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    random_map: Any,
    primaries: tuple[float, ...] | None,
) -> None:
    header: dict[str, Any] = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    if primaries is None:
        shown = (np.array([-2, -1], np.int32), np.array([21, 10], np.int32))
        header |= {"displayWindow": shown}
    else:
        header |= {"chromaticities": primaries}
    path = tmp_path / "map.exr"
    OpenEXR.File(header, {"RGB": (3 + 0.2 * random_map()).astype(np.float32)}).write(str(path))
    evaluate(path, path, as_json=True)
    found = json.loads(capsys.readouterr().out)
    errors = ("sse", "rmse", "relative_rmse", "log_rmse", "si_rmse", "angular_mean_deg")
    assert {name: found[name] for name in errors} == dict.fromkeys(errors, 0)


def test_an_infinite_error_is_null(measure: Measure, random_map: Any) -> None:
    assert measure(random_map(), random_map())["psnr_db"] is None


def test_an_estimate_of_another_size_is_resampled_to_the_truths(
    measure: Measure, random_map: Any
) -> None:
    large, small = random_map(16, 32), random_map(8, 16)
    assert measure(large, small) == compare_maps(resample(large, 8, 16), small)
    assert measure(small, large) == compare_maps(resample(small, 16, 32), large)


def test_a_coverage_of_another_size_tells_where_most_of_a_texel_is_seen(
    measure: Measure, random_map: Any
) -> None:
    estimate, truth = random_map(seed=1), random_map(seed=2)
    coverage = np.zeros((16, 32, 3))
    coverage[:, :17] = 1e-3
    seen = np.zeros((8, 16))
    seen[:, :8] = 1
    assert measure(estimate, truth, coverage) == compare_maps(estimate, truth, seen)


@pytest.mark.parametrize("which", ["estimate", "truth", "coverage"])
def test_what_is_no_map_of_two_to_one_is_refused(measure: Measure, which: str) -> None:
    maps = {
        "estimate": np.ones((8, 16, 3)),
        "truth": np.ones((8, 16, 3)),
        which: np.ones((9, 9, 3)),
    }
    with pytest.raises(InputError, match=rf"{which}\.exr: is 9 x 9, not 2:1 .*--projection"):
        measure(**maps)


def test_all_that_are_no_maps_are_named(measure: Measure) -> None:
    with pytest.raises(InputError, match=r"truth\.exr: is 9 x 9.*\n.*estimate\.exr: is 6 x 8"):
        measure(np.ones((8, 6, 3)), np.ones((9, 9, 3)))


def test_rows_at_both_poles_are_no_other_shape(measure: Measure) -> None:
    assert measure(np.ones((9, 16, 3)), np.ones((8, 16, 3)))["sse"] == 0


def test_a_latlong_map_of_another_shape_is_taken_if_it_is_said_to_be_one(measure: Measure) -> None:
    tall = np.ones((16, 16, 3))
    assert measure(tall, np.ones((8, 16, 3)), projection=Projection.latlong)["sse"] == 0


def test_a_mirror_ball_is_compared_by_the_light_that_it_shows(measure: Measure) -> None:
    truth = smooth_map(32, 64)
    ball = reproject(truth, Latlong(32, 64), MirrorBall(128, 128))
    found = measure(ball, truth, projection=Projection.ball)
    assert 0 < found["relative_rmse"] < 0.02
    with pytest.raises(InputError, match=r"estimate\.exr: --projection cube: a cube map is"):
        measure(ball, truth, projection=Projection.cube)


def test_centred_files_have_nearly_the_errors_of_corner_aligned_ones(measure: Measure) -> None:
    """They are other samples of the same light: half a row, in proportion to the map, apart."""
    differences = []
    for height in (16, 32, 64):
        maps = {
            rows: [smooth_map(height, 2 * height, rows=rows, phase=phase) for phase in (0, 1)]
            for rows in ("corner", "centred")
        }
        corner = measure(*maps["corner"])
        centred = measure(*maps["centred"], rows=RowConvention.centred)
        differences.append(abs(centred["rmse"] / corner["rmse"] - 1))
        assert centred["energy_ratio"] == pytest.approx(corner["energy_ratio"], rel=1 / height**2)
    assert differences[0] < 1 / 16
    assert differences[1] < 0.6 * differences[0]
    assert differences[2] < 0.6 * differences[1]


def test_the_coverage_of_centred_files_is_centred_too(measure: Measure) -> None:
    estimate, truth, coverage = smooth_map(8, 16, phase=1), smooth_map(8, 16), np.zeros((8, 16, 3))
    coverage[:4] = 1
    found = measure(estimate, truth, coverage, rows=RowConvention.centred)
    # Of 8 corner-aligned rows, those above the horizon see all of centred rows 0 to 3
    assert found["seen"]["share"] == pytest.approx(0.5)


def test_rows_survive_the_way_to_another_program_and_back(measure: Measure, tmp_path: Path) -> None:
    truth = smooth_map(64, 128)
    centred = resample(truth, 64, 128, to_rows="centred")
    found = measure(centred, centred, rows=RowConvention.centred)
    assert found["rmse"] == 0
    back = resample(read_image(tmp_path / "truth.exr"), 64, 128, rows="centred")
    found = measure(back, truth)
    assert found["energy_ratio"] == pytest.approx([1, 1, 1], rel=1e-6)  # of float32
    assert found["rmse"] < np.abs(np.diff(truth, axis=0)).max()


def test_a_page_shows_both_maps_at_the_size_of_the_truth(
    measure: Measure, random_map: Any, tmp_path: Path
) -> None:
    truth, estimate = random_map(8, 16), random_map(16, 32)
    page = tmp_path / "page.html"
    results = measure(estimate, truth, np.ones_like(estimate), output=page)
    text = page.read_text()
    assert results == compare_maps(resample(estimate, 8, 16), truth, np.ones((8, 16), bool))
    assert text.count('data-width="16" data-height="8" data-scale') == 2
    assert "100.0 %" in text
    words = shlex.split(html.unescape(re.findall(r"<pre>(.*?)</pre>", text)[0]))
    files = [str(tmp_path / f"{name}.exr") for name in ("estimate", "truth", "coverage")]
    assert words[:4] == ["envmap-inverse", "evaluate", *files[:2]]
    assert words[4:] == ["-o", str(page), "--coverage", files[2], "--rows", "corner"]


def test_a_page_that_cannot_be_written_is_named(
    measure: Measure, random_map: Any, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"page\.html: cannot be written"):
        measure(random_map(), random_map(), output=tmp_path / "nowhere" / "page.html")


def test_negative_radiance_is_pointed_out(measure: Measure, random_map: Any) -> None:
    estimate = random_map()
    estimate[0, :8, 0] = -0.1
    with pytest.warns(UserWarning, match=r"estimate\.exr: 2\.08 % of the values are negative"):
        assert measure(estimate, random_map()) == compare_maps(estimate, random_map())


def test_a_protocol_is_a_table_and_part_of_the_page(
    random_map: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lit: list[Map] = []

    def relight(estimate: Map, truth: Map) -> dict[str, dict[str, float]]:
        lit.extend([estimate, truth])
        return {"mirror_knot": {"relative_error": 0.125}}

    monkeypatch.setattr(command, "relighting", relight)
    for name, seed in (("estimate", 1), ("truth", 2)):
        write_image(tmp_path / f"{name}.exr", random_map(seed=seed))
    page, relighting = tmp_path / "page.html", [Protocol.relighting]
    files = tmp_path / "estimate.exr", tmp_path / "truth.exr"
    evaluate(*files, protocol=relighting, output=page)
    printed = capsys.readouterr().out
    assert "relative error" in printed
    assert re.search(r"mirror_knot\W+0\.125\W", printed)
    assert printed.endswith(f"report in {page}\n")
    np.testing.assert_array_equal(lit[0], random_map(seed=1))
    np.testing.assert_array_equal(lit[1], random_map(seed=2))
    text = html.unescape(page.read_text())
    assert "mirror knot" in text
    assert re.search(r"--protocol relight\b(?!ing)", text)
