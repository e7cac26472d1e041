from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np

from envmap_inverse.images import read_image

Call = Callable[..., subprocess.CompletedProcess[str]]


def test_convert_writes_what_it_is_asked_for(call: Call, inputs: Path, tmp_path: Path) -> None:
    out = tmp_path / "light.npy"
    options = ("--from", "latlong", "--to", "three.js", "--rows", "corner", "--to-rows", "centred")
    more = ("--size", "32x16", "--rotate", "y=90,z=-90", "--exposure", 2)
    done = call("convert", inputs / "map.exr", out, *options, *more)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"wrote {out}: three.js, 32 x 16\n"
    assert read_image(out).shape == (16, 32, 3)


def test_convert_refuses_in_one_line(call: Call, inputs: Path, tmp_path: Path) -> None:
    done = call(
        "convert", inputs / "map.exr", tmp_path / "out.exr", "--to", "cube", "--size", "7x7"
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: --size 7x7: a cube map is")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_pattern_writes_a_picture(call: Call, tmp_path: Path) -> None:
    done = call("pattern", tmp_path / "six.png", "--to", "ball", "--size", 64)
    assert (done.returncode, done.stderr) == (0, "")
    picture = read_image(tmp_path / "six.png")
    assert picture.shape == (64, 64, 3)
    assert len(np.unique(picture[::8, ::8].reshape(-1, 3), axis=0)) > 6
