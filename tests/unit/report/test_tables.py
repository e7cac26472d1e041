from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from envmap_inverse.report import repeating, tables
from envmap_inverse.report.comparing import cautions
from envmap_inverse.report.phases import phases
from envmap_inverse.run.reading import Run
from envmap_inverse.sphere.latlong import texel_directions

MakeRun = Callable[..., Path]


def disk(azimuth: float, elevation: float, radius: float, radiance: float) -> NDArray[np.float32]:
    """A map of 181 x 360 texels, black but for a disk; all in degrees."""
    phi, height = np.radians([azimuth, elevation])
    centre = [np.sin(phi) * np.cos(height), np.sin(height), -np.cos(phi) * np.cos(height)]
    away = np.degrees(np.arccos(np.clip(texel_directions(181, 360) @ centre, -1, 1)))
    return np.where(away[..., None] < radius, radiance, 0).repeat(3, axis=2).astype(np.float32)


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
    expected = {"all": "1.000", "seen": "2.000", "unseen": "3.000"}
    alone, both = tables.metrics([run], ["a"]), tables.metrics([run, run], ["a", "b"])
    assert alone.rows == [("log RMSE", [expected[c] for c in alone.columns])]
    assert both.columns == ["a", "b"] * 3
    assert both.rows == [("log RMSE", [expected[c] for c, _ in both.spans for _ in "ab"])]


def test_a_light_is_told_by_where_it_is_and_what_it_sends() -> None:
    (light,) = tables.lights(disk(253, 45, 5, 10))
    assert light.azimuth == pytest.approx(253, abs=0.2)
    assert light.elevation == pytest.approx(45, abs=0.2)
    # A cap of 5 degrees; its rim is uncertain by half a texel.
    assert light.solid_angle == pytest.approx(2 * np.pi * (1 - np.cos(np.radians(5))), rel=0.1)
    np.testing.assert_allclose(light.irradiance, 10 * light.solid_angle, rtol=1e-6)
    assert light.share == pytest.approx(1)


def test_the_phases_fill_the_bar(make_run: MakeRun, tmp_path: Path) -> None:
    (bar,) = phases([Run.read(make_run(tmp_path / "run")).summary])
    assert {phase.name: phase.seconds for phase in bar} == {
        "load": 1,
        "record": 1,
        "solve": 2,
        "files": 1,
        "other": 1,
    }
    assert bar[-1].start + bar[-1].share == pytest.approx(1)


def test_bars_of_several_runs_have_one_scale_and_one_colour_per_phase(
    make_run: MakeRun, tmp_path: Path
) -> None:
    runs = [Run.read(make_run(tmp_path / name)) for name in ("short", "long")]
    runs[1].summary["seconds"] = {"total": 12, "files": 6, "load": 6}
    short, long = phases([run.summary for run in runs])
    assert sum(phase.share for phase in long) == pytest.approx(1)
    assert sum(phase.share for phase in short) == pytest.approx(1 / 2)
    colours = [{phase.name: phase.colour for phase in bar} for bar in (short, long)]
    assert all(colours[0][name] == colours[1][name] for name in ("load", "files"))


def test_settings_that_differ_are_marked_and_stand_first(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [Run.read(make_run(tmp_path / name, output=name, map_size=name)) for name in "ab"]
    table = tables.settings(runs, ["a", "b"])
    assert table.marked == {"map size"}
    assert table.rows[0] == ("map size", ["a", "b"])


def test_runs_of_other_scenes_pictures_and_truths_are_told(
    make_run: MakeRun, tmp_path: Path
) -> None:
    same = Run.read(make_run(tmp_path / "a", scene="a.xml"))
    other = Run.read(make_run(tmp_path / "b", scene="b.xml"))
    assert list(cautions([same, same])) == []
    reference, fit = other.pictures[0]
    other.pictures[0] = reference * 2, fit
    changed = replace(other, ground_truth=other.envmap)
    words = [sentence.partition(" differ")[0] for sentence in cautions([same, changed])]
    assert words == ["The scenes", "The pictures", "The true maps"]


def test_the_command_repeats_an_estimate_by_its_settings(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "a run", scene="scene.xml")
    words = shlex.split(repeating.command(Run.read(folder)))
    expected = ["estimate", "--config", str(folder / "run.toml"), "-o", "again"]
    assert words == ["envmap-inverse", *expected]


def test_an_interrupted_run_has_the_command_that_goes_on(make_run: MakeRun, tmp_path: Path) -> None:
    run = Run.read(make_run(tmp_path / "a run", scene="scene.xml"))
    (run.path / "run.toml").touch()
    assert repeating.resumption(run) == ""
    run.summary["status"] = "interrupted"
    folder = str(run.path)
    expected = ["estimate", "--config", f"{folder}/run.toml", "-o", folder, "--resume"]
    assert shlex.split(repeating.resumption(run)) == ["envmap-inverse", *expected]


@settings(max_examples=25)
@given(value=st.floats(-1e300, 1e300) | st.integers())
def test_a_number_is_told_to_four_digits(value: float) -> None:
    assert float(tables.number(value).replace(",", "")) == pytest.approx(value, rel=5.01e-4)
