"""Runs that are killed at any moment end, when they are resumed, as if they had not been.

Every second kill is that of the worker alone, as by the system when memory runs out.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from messages import without_unfinished

import envmap_inverse as ei
from envmap_inverse.images import write_image

Start = Callable[..., subprocess.Popen[str]]
OPTIONS: dict[str, tuple[object, ...]] = {
    "adam": ("--optimizer", "adam", "--iterations", 40, "--threads", 1),
    "transport": ("--optimizer", "transport", "--spp", 16),
    "large": ("--optimizer", "adam", "--iterations", 40, "--size", 96, "--threads", 1),
    "robust": ("--robust", "--iterations", 120, "--threads", 1),
    "frames": ("--optimizer", "adam", "--iterations", 40, "--frames", "--threads", 1),
    "exposures": ("--optimizer", "transport", "--sensor", "0,0", "--exposure", "1,auto"),
    "sequence": ("--sequence",),
    "weights": ("--optimizer", "transport", "--prior", 'TotalVariation:weight="auto"'),
}
if find_spec("ray"):
    OPTIONS["workers"] = ("--optimizer", "transport", "--spp", 16, "--workers", 2)
KILLS = {"adam": 1, "transport": 2, "sequence": 1}
"""How often a run is killed in the short version, which leaves the others out."""


def command(inputs: Path, folder: Path, name: str) -> tuple[object, ...]:
    reference = inputs / ("large.exr" if name == "large" else "reference.exr")
    if name == "sequence":
        reference = inputs / "light"
    files = (inputs / "scene.xml", *[reference] * (1 + (name == "exposures")))
    settings = ("--no-report", "--trust-input", "--checkpoint-every", 0, "-o", folder)
    return ("estimate", *files, *settings, *OPTIONS[name])


@pytest.fixture(scope="session", autouse=True)
def large(inputs: Path) -> None:
    """A picture so large that several cores would render it."""
    scene = ei.load_scene(inputs / "scene.xml")
    scene.set_film_size(96)
    write_image(inputs / "large.exr", ei.render(scene, spp=4))
    (inputs / "light").mkdir(exist_ok=True)
    image = ei.read_image(inputs / "reference.exr")
    for number in range(12):
        write_image(inputs / "light" / f"{number:02d}.exr", (1 + number / 10) * image)


def losses(folder: Path) -> list[float]:
    lines = (folder / "history.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]


def check(whole: Path, killed: Path) -> None:
    names = {path.relative_to(whole) for path in whole.rglob("*")}
    assert {path.relative_to(killed) for path in killed.rglob("*")} == names
    assert losses(killed) == losses(whole)
    for name in names:
        if name.suffix == ".exr":
            assert (killed / name).read_bytes() == (whole / name).read_bytes()


def worker_of(process: subprocess.Popen[str]) -> int | None:
    """Number of the process that does the work, if it has begun."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(listed[0]) if listed else None


def end_worker(process: subprocess.Popen[str]) -> None:
    """Kill the worker; its parent says so in one line, unless it was done."""
    worker = worker_of(process)
    if worker is None:
        process.kill()
    else:
        os.kill(worker, signal.SIGKILL)
    _, stderr = process.communicate(timeout=60)
    if process.returncode == 1:
        assert re.fullmatch(r"error: the system has killed .*\n", without_unfinished(stderr))


@pytest.mark.parametrize("name", list(OPTIONS))
def test_a_run_that_is_killed_again_and_again_ends_with_the_same_bits(
    start: Start, inputs: Path, tmp_path: Path, name: str, is_long: bool
) -> None:
    wanted = 50 if is_long else KILLS.get(name, 0)
    if not wanted:
        pytest.skip("only at length")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    begun = time.monotonic()
    with start(*command(inputs, whole, name)) as process:
        process.communicate(timeout=120)
    seconds = time.monotonic() - begun
    moments, kills = random.Random(7), 0
    while kills < wanted:
        with start(*command(inputs, killed, name), "--resume") as process:
            time.sleep(moments.uniform(0.3, 1) * seconds)
            was_running = process.poll() is None
            if was_running and kills % 2 == 0:
                end_worker(process)
            else:
                process.kill()
                process.communicate()
        kills += 1
        if not was_running and (killed / "summary.json").exists():
            check(whole, killed)
            killed = tmp_path / f"killed_{kills}"
    if not (killed / "summary.json").exists():
        with start(*command(inputs, killed, name), "--resume") as process:
            assert without_unfinished(process.communicate(timeout=120)[1]) == ""
    check(whole, killed)
