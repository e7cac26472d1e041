"""Commands that repeat runs."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable
from pathlib import Path

from envmap_inverse.commands.ball import ball
from envmap_inverse.report import repeating
from envmap_inverse.run.reading import Run

MakeRun = Callable[..., Path]

GIVEN = {
    "photos": ["a 1.jpg", ":", "b.jpg"],
    "circle": ["1,2,3", "4,5,6"],
    "distance": [],
    "front": -90.0,
    "map_size": "64x32",
    "without_photographer": True,
    "censoring": False,
    "register": "auto",
    "photographer": None,
    "noise": None,
    "exposure": "auto",
    "sensor": "0,1",
    "prior": ["none"],
}


def test_the_command_repeats_the_run_of_a_ball(make_run: MakeRun, tmp_path: Path) -> None:
    run = Run.read(make_run(tmp_path / "light"))
    run.summary["settings"] = GIVEN
    words = shlex.split(repeating.command(run))
    assert words[:5] == ["envmap-inverse", "ball", "a 1.jpg", ":", "b.jpg"]
    assert words[-2:] == ["-o", "again"]
    assert sorted(words[5:-2]) == [
        "--circle=1,2,3",
        "--circle=4,5,6",
        "--front=-90.0",
        "--map-size=64x32",
        "--no-censoring",
        "--without-photographer",
    ]


def test_the_interrupted_run_of_a_ball_has_the_command_that_goes_on(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = Run.read(make_run(tmp_path / "light"))
    run.summary["settings"] = GIVEN
    (run.path / "run.toml").touch()
    assert repeating.resumption(run) == ""
    run.summary["status"] = "interrupted"
    words = shlex.split(repeating.resumption(run))
    assert words[:2] == ["envmap-inverse", "ball"]
    assert words[-3:] == ["-o", str(run.path), "--resume"]


def test_every_option_of_a_ball_that_changes_its_map_is_repeated() -> None:
    usual = {name: each.default for name, each in inspect.signature(ball).parameters.items()}
    others = {"context", "photos", "output", "save_scene", "report", "overwrite", "resume"}
    assert set(repeating.OF_BALL) == set(usual) - others - {"trust_input"}
    for name, value in repeating.OF_BALL.items():
        assert value in ([], "auto") or value == usual[name], name
