"""The Python of README and documentation runs; that of the tutorials does with the site."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import documented
import numpy as np
import pytest
import solids

import envmap_inverse as ei


@pytest.mark.parametrize(
    "page",
    [page for page in documented.PAGES if documented.python_blocks(page)],
    ids=lambda page: page.stem,
)
def test_the_python_of_a_page_runs(
    page: Path,
    make_scene: Callable[..., ei.Scene],
    random_map: Callable[..., Any],
    scene_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(scene_file.parent, "scenes/bunny")
    scene = make_scene()
    image = ei.render(scene, spp=16)
    shutil.move("scenes/bunny/scene.xml", "scenes/bunny/bunny.xml")
    ei.write_image("front.jpg", image)
    solids.write(Path("teapot.obj"), solids.cube())
    names = {"ei": ei, "scene": scene, "morning": image, "evening": image, "frames": [image] * 2}
    names |= {"texels": random_map(125, 250), "mask": np.ones((8, 8)), "show": lambda _: None}
    names["result"] = ei.estimate(scene, image, optimizer=ei.Transport(spp=16))
    for block in documented.python_blocks(page):
        exec(compile(block, str(page), "exec"), dict(names))
