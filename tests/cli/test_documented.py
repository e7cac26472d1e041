"""The commands of README and documentation run, on small pictures and maps."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import documented
import numpy as np
import pytest
import solids
from PIL import Image

import envmap_inverse as ei
from envmap_inverse.bundled import samples
from envmap_inverse.images import tonemap, write_image

Call = Callable[..., subprocess.CompletedProcess[str]]

PAGES = documented.PAGES + documented.TUTORIALS
SMALLER = {"640,480,800,600": "2,2,4,4"}
MORE = {
    "estimate": ["--overwrite", "--no-report", "--trust-input", "--map-size", "16x8"],
    "ball": ["--overwrite", "--no-report", "--map-size", "16x8"],
    "convert": ["--overwrite"],
    "export": ["--overwrite"],
    "pattern": ["--overwrite", "--size", "64"],
}
QUICK = [*MORE["estimate"], "--size", "4", "--spp", "2"]
"""Of runs that refine the scene."""
BALL_SIZE = 128, 96


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
    for name in ("envmap.exr", "true.exr", "studio.hdr", "studio.exr", "light.exr"):
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
    ei.estimate(scene, picture, optimizer=ei.Transport(spp=16)).save(folder / "run")
    return folder


@pytest.fixture(scope="module")
def already_run() -> set[tuple[str, ...]]:
    """Commands of other pages."""
    return set()


def lines(page: Path) -> list[list[str]]:
    found = documented.commands(page)
    return [words for words in found if not documented.ELSEWHERE.keys() & set(words)]


@pytest.mark.parametrize("page", [page for page in PAGES if lines(page)], ids=lambda p: p.stem)
def test_the_commands_of_a_page_run(
    page: Path, guarded_call: Call, workshop: Path, already_run: set[tuple[str, ...]]
) -> None:
    for words in lines(page):
        if tuple(words) in already_run:
            continue
        already_run.add(tuple(words))
        smaller = [SMALLER.get(word, word) for word in words]
        files = [
            sorted(str(path.relative_to(workshop)) for path in workshop.glob(word))
            if "*" in word
            else [word]
            for word in smaller
        ]
        more = QUICK if "--refine" in words else MORE.get(words[0], ())
        done = guarded_call(*chain(*files), *more, cwd=workshop)
        assert done.returncode == 0, (words, done.stderr)
