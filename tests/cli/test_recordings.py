from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import envmap_inverse as ei
from envmap_inverse.images import read_image

Call = Callable[..., subprocess.CompletedProcess[str]]


def test_a_recorded_scene_is_solved_for_as_if_it_were_traced(
    call: Call, inputs: Path, tmp_path: Path
) -> None:
    """Twice as large a picture is averaged down to the recorded film."""
    scene, file = inputs / "scene.xml", tmp_path / "T.npz"
    done = call("record", scene, "-o", file, "--spp", 4)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 view, map of 16 x 8, 4 spp" in done.stdout
    picture = np.repeat(np.repeat(read_image(inputs / "reference.exr"), 2, axis=0), 2, axis=1)
    ei.write_image(tmp_path / "large.exr", picture)
    maps = []
    for name, options in (("given", ("--recording", file)), ("traced", ("--size", 8, "--spp", 4))):
        folder = tmp_path / name
        done = call("estimate", scene, tmp_path / "large.exr", "-o", folder, *options)
        assert done.returncode == 0, done.stderr
        maps.append(read_image(folder / "envmap.exr"))
    np.testing.assert_allclose(*maps, rtol=1e-5)  # but for the order of sums
    done = call("record", scene, "-o", file)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "T.npz: is there already" in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--recording", "missing.npz"), "missing.npz: no such recording"),
        (("--recording", "T.npz", "--map-size", "32x16"), "recording: of a map of 16 x 8 texels"),
        (("--recording", "T.npz", "--refine", "camera"), "refine: changes the scene"),
        (("--recording", "T.npz", "--spp", "8"), "--spp 8: a recording has its own paths"),
    ],
)
def test_what_does_not_fit_a_recording_is_refused_in_one_line(
    call: Call, inputs: Path, tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    scene = inputs / "scene.xml"
    ei.LightTransport.record(ei.load_scene(scene), spp=4).save(tmp_path / "T.npz")
    picture = inputs / "reference.exr"
    done = call("estimate", scene, picture, "-o", "run", *options, cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert words in done.stderr
    assert not (tmp_path / "run").exists()


def test_what_a_killed_run_left_unfinished_is_removed(
    call: Call, inputs: Path, tmp_path: Path
) -> None:
    left, another = tmp_path / ".T.npz.0a1b2c3d", tmp_path / ".U.npz.0a1b2c3d"
    for file in (left, another):
        file.write_bytes(bytes(10))
    done = call("record", inputs / "scene.xml", "-o", tmp_path / "T.npz", "--spp", 1)
    assert (done.returncode, done.stderr) == (0, "")
    assert {file.name for file in tmp_path.iterdir()} == {"T.npz", another.name}
