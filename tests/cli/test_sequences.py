from __future__ import annotations

import json
import signal
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_files import names_in

import envmap_inverse as ei
from envmap_inverse.images import read_image
from envmap_inverse.run.frames import Video

Call = Callable[..., subprocess.CompletedProcess[str]]

FILES = {
    *("frames", "history.jsonl", "lights.json", "reference.exr", "report.html", "run.toml"),
    *("sequence.mp4", "summary.json", "thumbnails.npz"),
}


@pytest.fixture(scope="module")
def frames(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three pictures of light that grows."""
    folder, image = tmp_path_factory.mktemp("frames"), read_image(inputs / "reference.exr")
    for number, factor in ((1, 1.0), (2, 1.1), (10, 1.2)):
        ei.write_image(folder / f"f{number}.exr", factor * image)
    return folder


def summary_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return found


def test_a_broken_frame_ends_a_sequence_that_can_be_resumed(
    call: Call, inputs: Path, frames: Path, tmp_path: Path
) -> None:
    arguments = ("estimate", inputs / "scene.xml", frames, "-o", tmp_path / "run", "--sequence")
    last = frames / "f10.exr"
    whole = last.read_bytes()
    last.write_bytes(whole[:-40])
    done = call(*arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(f"error: {last}: ")
    assert summary_of(tmp_path / "run")["frames"] == 2
    maps = tmp_path / "run" / "frames"
    assert names_in(maps) == {"envmap_0001.exr", "envmap_0002.exr"}
    assert "--resume" in done.stdout

    last.write_bytes(whole)
    done = call(*arguments, "--resume")
    assert (done.returncode, done.stderr) == (0, "")
    assert names_in(tmp_path / "run") == FILES
    first, second, third = (
        read_image(maps / f"envmap_{number:04d}.exr").mean() for number in (1, 2, 3)
    )
    assert second / first == pytest.approx(1.1, rel=0.03)
    assert third / first == pytest.approx(1.2, rel=0.03)
    summary = summary_of(tmp_path / "run")
    assert (summary["status"], summary["frames"], summary["followed"]) == ("done", 3, 1)
    assert "The light of 3 frames" in (tmp_path / "run" / "report.html").read_text()

    done = call("report", tmp_path / "run", "-o", tmp_path / "page.html")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "page.html").stat().st_size > 50_000


def test_ctrl_c_keeps_the_maps_so_far_and_ends_the_live_view(
    start: Callable[..., subprocess.Popen[str]], inputs: Path, frames: Path, tmp_path: Path
) -> None:
    for number in range(11, 400):
        (frames / f"f{number}.exr").hardlink_to(frames / "f2.exr")
    arguments = ("estimate", inputs / "scene.xml", frames, "-o", tmp_path / "run", "--sequence")
    with start(*arguments, "--trust-input", "--no-report", "--live") as process:
        for line in process.stdout:
            if line.startswith("live view at "):
                address = line.split()[-1]
            if line.startswith("Frame 0025"):
                with urllib.request.urlopen(f"{address}state.json?after=24") as answer:
                    state = json.loads(answer.read())
                process.send_signal(signal.SIGINT)
                break
        stdout, stderr = process.communicate(timeout=120)
    assert (process.returncode, stderr) == (130, "")
    assert "go on with: envmap-inverse estimate" in stdout
    assert (state["counted"], state["steps"], state["status"]) == ("frames", 392, "running")
    assert state["lines"][0]["index"] == 24
    assert state["resume"].endswith("--live --resume")
    summary = summary_of(tmp_path / "run")
    assert summary["status"] == "interrupted"
    assert 25 <= summary["frames"] < 392
    assert len(names_in(tmp_path / "run" / "frames")) == summary["frames"]


def test_a_video_is_a_sequence(call: Call, inputs: Path, tmp_path: Path) -> None:
    image = ei.tonemap(read_image(inputs / "reference.exr"), 0.3)
    video = Video(tmp_path / "light.mp4")
    for factor in (1.0, 0.9):
        large = np.repeat(np.repeat(factor * image, 4, axis=0), 4, axis=1)
        video.add(large.astype(np.uint8))
    video.close()
    arguments = ("estimate", inputs / "scene.xml", tmp_path / "light.mp4", "-o", tmp_path / "run")
    done = call(*arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "light.mp4: is a video; estimate --sequence follows its light" in done.stderr
    done = call(*arguments, "--sequence", "--size", 8, "--temporal", 0.001)
    assert (done.returncode, done.stderr) == (0, "")
    assert summary_of(tmp_path / "run")["frames"] == 2
