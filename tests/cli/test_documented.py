"""The commands of README and documentation run, on small pictures and maps."""

from __future__ import annotations

import json
import math
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import solids
from PIL import Image

import envmap_inverse as ei
from envmap_inverse.bundled import samples
from envmap_inverse.images import tonemap, write_image

Call = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += sorted((ROOT / "docs" / "tutorials").glob("*.md"))
ELSEWHERE = {"--workers", "--ray", "--refine", ":"}
"""Words of lines that take long, and run in test_workers.py, test_refine.py and test_ball.py."""
SMALLER = {"640,480,800,600": "2,2,4,4"}
MORE = {
    "estimate": ["--overwrite", "--no-report", "--trust-input", "--map-size", "16x8"],
    "ball": ["--overwrite", "--no-report", "--map-size", "16x8"],
    "convert": ["--overwrite"],
}
BALL_SIZE = 160, 120


def commands(page: Path) -> list[list[str]]:
    """The words of each line that calls the program, without comments."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = re.findall(r"^ {4}envmap-inverse (.*)$", text, re.MULTILINE)
    found = [shlex.split(line, comments=True) for line in lines]
    return [words for words in found if not ELSEWHERE & set(words)]


@pytest.fixture(scope="module")
def workshop(
    inputs: Path, tmp_path_factory: pytest.TempPathFactory, random_map: Callable[..., Any]
) -> Path:
    """A folder of every file that the pages name."""
    folder = Path(shutil.copytree(inputs, tmp_path_factory.mktemp("documented") / "work"))
    scene = ei.load_scene(folder / "scene.xml")
    picture = tonemap(ei.render(scene, spp=64), 0.5).astype(np.float32) / 255
    names = ("front", "back", "photo", "one", "whole", "dark_crop")
    for name in names:
        write_image(folder / f"{name}.jpg", picture[2:6, 2:6] if name == "dark_crop" else picture)
    for place in ("views/0.exr", "views/1.exr", "frames/0.exr", "frames/1.exr"):
        (folder / place).parent.mkdir(exist_ok=True)
        write_image(folder / place, picture)
    for name in ("envmap.exr", "studio.hdr", "studio.exr", "light.exr"):
        write_image(folder / name, random_map())
    for name in ("front_mask.png", "back_mask.png"):
        write_image(folder / name, np.ones((8, 8, 3), np.float32))
    (folder / "response.csv").write_text("0 0\n0.5 0.2\n1 1\n")
    solids.write(folder / "teapot.obj", solids.cube())
    own = np.diag([1.0, 1, 1, 1])
    own[2, 3] = 4
    frames = [{"file_path": f"{name}.jpg", "transform_matrix": own.tolist()} for name in names]
    shared: dict[str, Any] = {"camera_angle_x": math.radians(40), "w": 8, "h": 8}
    (folder / "transforms.json").write_text(json.dumps({**shared, "frames": frames}))
    shots = sorted(samples("ball").glob("*.jpg"))
    places = {"ball.jpg": 0, "normal.jpg": 0, "short.jpg": 1, "long.jpg": 2}
    places |= {f"{name}/{k}.jpg": k for name in ("bracket", "front", "side") for k in (0, 1)}
    for place, number in places.items():
        (folder / place).parent.mkdir(exist_ok=True)
        with Image.open(shots[number]) as shot:
            shot.resize(BALL_SIZE).save(folder / place, exif=shot.getexif(), quality=95)
    return folder


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda p: p.stem)
def test_the_commands_of_a_page_run(page: Path, call: Call, workshop: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(workshop, tmp_path / "work"))
    for words in commands(page):
        smaller = [SMALLER.get(word, word) for word in words]
        files = [sorted(map(str, folder.glob(word))) if "*" in word else [word] for word in smaller]
        done = call(*chain(*files), *MORE.get(words[0], ()), cwd=folder)
        assert done.returncode == 0, (words, done.stderr)
