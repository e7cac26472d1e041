from __future__ import annotations

import base64
import errno
import hashlib
import html
import json
import re
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np
from numpy.typing import NDArray

from envmap_inverse import InputError, report
from envmap_inverse.images import read_image, write_image
from envmap_inverse.report import tables, write_comparison, write_report
from envmap_inverse.report.pictures import Heat, Raster, Sheet, difference
from envmap_inverse.report.spheres import BALL_PIXELS, balls, look_up, still_view
from envmap_inverse.run.reading import Run
from envmap_inverse.sphere.latlong import texel_directions
from envmap_inverse.sphere.projections import Latlong

MakeRun = Callable[..., Path]


def decoded(raster: Raster) -> NDArray[np.float64]:
    halves = np.frombuffer(base64.b64decode(raster.base64), "<f2").astype(np.float64)
    return halves.reshape(raster.height, raster.width, 3) * raster.scale


def disk(azimuth: float, elevation: float, radius: float, radiance: float) -> NDArray[np.float32]:
    """A map of 181 x 360 texels, black but for a disk; all in degrees."""
    phi, height = np.radians([azimuth, elevation])
    centre = [np.sin(phi) * np.cos(height), np.sin(height), -np.cos(phi) * np.cos(height)]
    away = np.degrees(np.arccos(np.clip(texel_directions(181, 360) @ centre, -1, 1)))
    return np.where(away[..., None] < radius, radiance, 0).repeat(3, axis=2).astype(np.float32)


# Balls


def test_looking_up_a_texels_direction_gives_the_texel(rng: np.random.Generator) -> None:
    texels = rng.uniform(0, 1, (9, 16, 3))
    found = look_up(texels, texel_directions(9, 16))
    np.testing.assert_allclose(found[1:-1], texels[1:-1], rtol=1e-9)


def test_balls_in_even_light_send_back_all_of_it() -> None:
    picture = balls(np.full((8, 16, 3), 3.0))
    middle = picture[BALL_PIXELS // 2, BALL_PIXELS // 2 :: BALL_PIXELS]
    np.testing.assert_allclose(middle, 3, rtol=1e-5)
    assert (picture[0, 0] == 0).all()


def test_the_white_ball_shows_the_irradiance() -> None:
    # Under the radiance max(0, z), a surface that faces +z receives the integral of
    # z^2 over a hemisphere, 2 pi / 3, and sends back that over pi.
    texels = np.maximum(texel_directions(64, 128)[:, :, 2:], 0).repeat(3, axis=2)
    middle = balls(texels)[BALL_PIXELS // 2, 5 * BALL_PIXELS // 2]
    np.testing.assert_allclose(middle, 2 / 3, rtol=5e-3)


def test_the_chrome_ball_mirrors_what_is_behind_the_viewer() -> None:
    texels = disk(180, 0, 20, 1) + disk(0, 0, 20, 5)
    middle = balls(texels)[BALL_PIXELS // 2, BALL_PIXELS // 2]
    np.testing.assert_allclose(middle, 1)


def test_the_still_view_has_the_lefthand_side_of_the_map_on_its_left() -> None:
    view = still_view(disk(160, 0, 5, 1))
    assert view[:, : view.shape[1] // 2].sum() > 0
    assert view[:, view.shape[1] // 2 :].sum() == 0


# Pictures


def test_a_raster_keeps_radiance_to_the_precision_of_half_floats(
    rng: np.random.Generator,
) -> None:
    image = rng.lognormal(0, 3, (6, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(decoded(Raster.of(image)), image, rtol=2**-11)


def test_a_raster_keeps_radiance_that_half_floats_cannot() -> None:
    image = np.array([[[1e6, 1, -2e6]]], np.float32)
    np.testing.assert_allclose(decoded(Raster.of(image)), image, rtol=2**-10)


def test_a_large_raster_is_shrunk() -> None:
    raster = Raster.of(np.ones((40, 50, 3), np.float32), max_pixels=500)
    assert (raster.height, raster.width) == (20, 25)


def test_a_difference_is_orange_where_too_bright_and_blue_where_too_dark() -> None:
    image = np.array([[[1.0] * 3, [0.0] * 3, [0.5] * 3]])
    (over, under, equal) = difference(image, np.full((1, 3, 3), 0.5), 1)[0]
    assert over[0] > over[2]
    assert under[2] > under[0]
    assert equal.tolist() == [0, 0, 0]


def test_a_quantity_that_is_nowhere_has_no_colours() -> None:
    assert Heat.of(np.zeros((4, 8, 3))) is None


def test_a_sheet_has_room_for_all_pictures() -> None:
    sheet = Sheet.of(np.zeros((7, 10, 20, 3), np.uint8))
    assert sheet.count == 7
    assert (sheet.width, sheet.height) == (20, 10)
    assert sheet.jpeg.startswith("data:image/jpeg;base64,")


# Tables


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0, "0"),
        (1234567, "1,234,567"),
        (206469.4, "206,469"),
        (12.3456, "12.35"),
        (0.0047171, "0.004717"),
        (3e-9, "3e-09"),
        (None, "–"),
        ("words", "words"),
    ],
)
def test_numbers_have_four_digits(value: Any, text: str) -> None:
    assert tables.number(value) == text


@pytest.mark.parametrize(
    ("folders", "optimizers", "expected"),
    [
        (["a/run"], ["adam"], ["run"]),
        (["a/run", "b/run"], ["adam", "transport"], ["adam", "transport"]),
        (["a/run", "b/run"], ["adam", "adam"], ["a/run", "b/run"]),
        (["run", "run/again"], ["adam", "adam"], ["run", "run/again"]),
    ],
)
def test_runs_have_the_shortest_names_that_tell_them_apart(
    make_run: MakeRun,
    tmp_path: Path,
    folders: list[str],
    optimizers: list[str],
    expected: list[str],
) -> None:
    pairs = zip(folders, optimizers, strict=True)
    runs = [Run.read(make_run(tmp_path / path, optimizer=name)) for path, name in pairs]
    assert tables.names(runs) == expected


@pytest.mark.parametrize(
    "measured",
    [
        {"log_rmse": 1.0, "seen": {"log_rmse": 2.0}, "unseen": {"log_rmse": 3.0}},
        {"log_rmse": 1.0, "unseen": {"log_rmse": 3.0}, "seen": {"log_rmse": 2.0}},
    ],
)
def test_parts_of_a_metric_are_columns(make_run: MakeRun, tmp_path: Path, measured: Any) -> None:
    run = Run.read(make_run(tmp_path / "run"))
    run.summary["metrics"] = measured
    table = tables.metrics([run, run], ["a", "b"])
    expected = {"all": "1.000", "seen": "2.000", "unseen": "3.000"}
    assert table.rows == [("RMSE of log radiance", [expected[c] for c in table.columns])]
    assert table.spans == [("a", 3), ("b", 3)]


def test_a_light_is_told_by_where_it_is_and_what_it_sends() -> None:
    (light,) = tables.lights(disk(253, 45, 5, 10))
    assert light.azimuth == pytest.approx(253, abs=0.2)
    assert light.elevation == pytest.approx(45, abs=0.2)
    # A cap of 5 degrees; its rim is uncertain by half a texel.
    assert light.solid_angle == pytest.approx(2 * np.pi * (1 - np.cos(np.radians(5))), rel=0.1)
    np.testing.assert_allclose(light.irradiance, 10 * light.solid_angle, rtol=1e-6)
    assert light.share == pytest.approx(1)


def test_the_phases_fill_the_bar(make_run: MakeRun, tmp_path: Path) -> None:
    (bar,) = tables.phases([Run.read(make_run(tmp_path / "run"))])
    assert {phase.name: phase.seconds for phase in bar} == {
        "load": 1,
        "record": 1,
        "solve": 2,
        "files": 1,
        "other": 1,
    }
    assert bar[-1].start + bar[-1].share == pytest.approx(1)


def test_the_command_repeats_an_estimate_by_its_settings(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "a run", scene="scene.xml")
    words = shlex.split(tables.command(Run.read(folder)))
    expected = ["estimate", "--config", str(folder / "run.toml"), "-o", "again"]
    assert words == ["envmap-inverse", *expected]


# The page


class Page:
    """The parts of a page."""

    def __init__(self, path: Path) -> None:
        self.text = path.read_text(encoding="utf-8")
        self.policy = html.unescape(
            re.findall(r'"Content-Security-Policy" content="([^"]+)"', self.text)[0]
        )

    def elements(self, name: str) -> list[str]:
        return re.findall(rf"<{name}>(.*?)</{name}>", self.text, re.DOTALL)


@pytest.fixture
def page(make_run: MakeRun, tmp_path: Path) -> Page:
    return Page(write_report(make_run(tmp_path / "run")))


def test_a_page_allows_its_own_scripts_and_styles_and_no_request(page: Page) -> None:
    rules = dict(rule.split(" ", 1) for rule in page.policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for rule, name in (("script-src", "script"), ("style-src", "style")):
        digests = [hashlib.sha256(text.encode()).digest() for text in page.elements(name)]
        hashes = {f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests}
        assert set(rules[rule].split()) == hashes


def test_a_page_names_no_address_but_that_of_the_plotting_library(page: Page) -> None:
    without_data = re.sub(r"base64,[^\"]+", "", page.text)
    addresses = set(re.findall(r"[a-z]+://[^\s\"'<>)]+", without_data))
    assert addresses == {"https://github.com/leeoniya/uPlot"}


def test_a_page_shows_markup_as_text(make_run: MakeRun, tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script>"
    folder = make_run(tmp_path / "<b>&run", scene=f"/tmp/{evil}.xml", reference=[evil])
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps(summary | {"warnings": [evil]}))
    text = write_report(folder).read_text()
    assert "<script>alert" not in text
    assert "<b>&run" not in text
    assert text.count(html.escape(evil)) >= 3
    data = re.findall(r'id="data">(.*?)</script>', text, re.DOTALL)[0]
    assert json.loads(data)["runs"][0]["name"] == "<b>&run"


def test_a_page_of_a_run_without_what_is_optional(make_run: MakeRun, tmp_path: Path) -> None:
    text = write_report(make_run(tmp_path / "run", optional=False)).read_text()
    assert "Truth" not in text
    assert 'id="iterations"' not in text
    assert "Without a true map" in text


def test_a_reference_is_compared_by_its_radiance(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    ((before, fit),) = Run.read(folder).pictures
    summary = json.loads((folder / "summary.json").read_text())
    exposures = [[2.0, 4.0, 8.0], [1.0, 1.0, 1.0]]
    (folder / "summary.json").write_text(json.dumps(summary | {"exposures": exposures}))
    ((reference, same_fit),) = Run.read(folder).pictures
    np.testing.assert_array_equal(reference, before / np.float32([2, 4, 8]))
    np.testing.assert_array_equal(same_fit, fit)


def test_a_page_shows_every_picture_that_was_kept(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    for name in ("reference", "render"):
        image = 2 * read_image(folder / f"{name}.exr")
        write_image(folder / f"{name}_1.exr", image[:8])
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps(summary | {"exposures": [[1] * 3, [2] * 3]}))
    run = Run.read(folder)
    np.testing.assert_array_equal(run.pictures[1][0], run.pictures[0][0][:8])
    text = write_report(folder).read_text()
    captions = re.findall(r'<span class="name">((?:Reference|Fit|Difference)[^<]*)<', text)
    kinds = ("Reference", "Fit", "Difference")
    assert captions == [f"{kind} {number}" for number in (1, 2) for kind in kinds]
    assert "from 2 pictures of 24 × 16 pixels" in text


@pytest.mark.parametrize("over", [0.0, 0.25])
def test_a_page_tells_what_clipping_means(make_run: MakeRun, tmp_path: Path, over: float) -> None:
    folder = make_run(tmp_path / "run")
    summary = json.loads((folder / "summary.json").read_text())
    shares = [{"over": over, "under": 0.5}]
    (folder / "summary.json").write_text(json.dumps(summary | {"clipped_share": shares}))
    assert ("fit may well be brighter" in write_report(folder).read_text()) == (over > 0)


def test_a_page_of_noisy_pictures_is_small_enough_to_be_mailed(
    make_run: MakeRun, tmp_path: Path, rng: np.random.Generator
) -> None:
    # As large as those of the demo, and harder to compress.
    folder = make_run(tmp_path / "run")
    for name in ("reference", "render", "envmap", "ground_truth", "coverage", "deviation"):
        size = (512, 512, 3) if name in {"reference", "render"} else (125, 250, 3)
        write_image(folder / f"{name}.exr", rng.gamma(1, 1, size).astype(np.float32))
    begun = time.process_time()
    page = write_report(folder)
    assert time.process_time() - begun < 3
    assert page.stat().st_size < 12e6


def test_a_page_carries_what_runs_have_in_common_once(make_run: MakeRun, tmp_path: Path) -> None:
    one, two = (make_run(tmp_path / name, seed=seed) for name, seed in (("one", 2), ("two", 5)))
    text = write_comparison([one, two], tmp_path / "compare.html").read_text()
    assert text.count('class="name">Reference<') == 1
    # Two runs have a fit, a map, and balls each; one reference, truth with balls, and deviation.
    assert text.count('<script type="text/plain"') == 2 * 3 + 4


def test_a_long_history_is_thinned(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    lines = [
        json.dumps({"index": k, "loss": None, "error": None, "seconds": k}) for k in range(9000)
    ]
    (folder / "history.jsonl").write_text("\n".join(lines))
    data = re.findall(r'id="data">(.*?)</script>', write_report(folder).read_text(), re.DOTALL)[0]
    indices = [line["index"] for line in json.loads(data)["runs"][0]["history"]]
    assert indices[0] == 0
    assert indices[-1] == 8999
    assert 1000 <= len(indices) <= 2100


def test_a_page_that_cannot_be_written(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    with pytest.raises(InputError, match=r"page\.html: cannot be written: No such file"):
        write_report(folder, tmp_path / "nowhere" / "page.html")


def test_a_page_for_which_there_is_no_room(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "a temporary file")

    folder = make_run(tmp_path / "run")
    monkeypatch.setattr(report, "write_bytes", fail)
    with pytest.raises(OSError, match="No space left") as caught:
        write_report(folder)
    assert caught.value.filename == str(folder / "report.html")


def test_a_protocol_is_a_table_of_its_objects(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    summary = json.loads((folder / "summary.json").read_text())
    summary["protocols"] = {
        "relighting": {
            "mirror_knot": {"relative_error": 0.125},
            "diffuse_knot": {"relative_error": 0.25, "normwise_error": 0.5},
        }
    }
    (folder / "summary.json").write_text(json.dumps(summary))
    (found,) = tables.protocols(Run.read(folder))
    assert found.title == "Relighting"
    assert found.table.columns == ["relative error", "normwise error"]
    assert found.table.rows == [
        ("mirror knot", ["0.125", "–"]),
        ("diffuse knot", ["0.25", "0.5"]),
    ]


def test_a_true_map_of_another_size_is_shown_and_not_subtracted(
    make_run: MakeRun, tmp_path: Path
) -> None:
    folder, differences = make_run(tmp_path / "run"), []
    for height in (16, 8):
        write_image(folder / "ground_truth.exr", np.ones((height, 2 * height, 3)))
        text = write_report(folder).read_text()
        assert "Truth" in text
        differences.append(text.count('alt="Recovered: difference from the truth"'))
    assert differences == [1, 0]


def test_a_fit_of_another_size_is_no_fit(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    write_image(folder / "render.exr", np.ones((2, 2, 3)))
    with pytest.raises(InputError, match=r"render\.exr has the shape \(2, 2, 3\) .*; repeat"):
        Run.read(folder)


# What holds for all pictures and numbers

radiances = st.floats(allow_nan=False, allow_infinity=False, width=32)


@settings(max_examples=25)
@given(image=st_np.arrays(np.float32, (2, 3, 3), elements=radiances))
def test_any_radiance_comes_out_of_a_raster_as_exactly_as_its_largest_allows(
    image: NDArray[np.float32],
) -> None:
    """11 bits of each value, or a 24th power of 2 where the whole is scaled to half floats."""
    raster = Raster.of(image)
    rounding = 2.0**-11 * np.abs(image.astype(np.float64)) + 2.0**-24 * raster.scale
    assert (np.abs(decoded(raster) - image) <= 1.01 * rounding).all()


@settings(max_examples=25)
@given(values=st_np.arrays(np.float32, (3, 4, 3), elements=st.floats(0, 2**60, width=32)))
def test_false_colours_span_what_is_there(values: NDArray[np.float32]) -> None:
    heat, mean = Heat.of(values), values.mean(axis=2)
    if heat is None:
        assert not mean.any()
        return
    assert 0 < heat.low <= heat.high <= mean.max()
    assert heat.high <= 1e4 * heat.low * (1 + 1e-6)


@settings(max_examples=25)
@given(
    texels=st_np.arrays(np.float32, (5, 10, 3), elements=st.floats(0, 100, width=32)),
    direction=st_np.arrays(np.float64, 3, elements=st.floats(-1, 1)).filter(np.any),
)
def test_the_page_looks_a_map_up_as_the_library_does(
    texels: NDArray[np.float32], direction: NDArray[np.float64]
) -> None:
    expected = Latlong(5, 10).look_up(texels)(direction)
    np.testing.assert_allclose(look_up(texels, direction), expected, atol=1e-4)


@settings(max_examples=25)
@given(value=st.floats(-1e300, 1e300) | st.integers())
def test_a_number_is_told_to_four_digits(value: float) -> None:
    assert float(tables.number(value).replace(",", "")) == pytest.approx(value, rel=5.01e-4)
