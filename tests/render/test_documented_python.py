"""The Python of README and documentation runs; that of the tutorials does with the site."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import solids

import envmap_inverse as ei

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCED = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?<=\n\n)(?:(?: {4}.*)?\n)+")


def blocks(page: Path) -> list[str]:
    """Its Python: fenced, or indented, where lines of a shell may stand between."""
    text = page.read_text(encoding="utf-8")
    margin = re.compile(r"^ {4}(envmap-inverse.*)?", re.MULTILINE)
    found = [margin.sub("", block) for block in INDENTED.findall(text)]
    is_python = re.compile(r"\bei\.|^from envmap_inverse", re.MULTILINE)
    return FENCED.findall(text) + [block for block in found if is_python.search(block)]


def test_no_python_is_missed() -> None:
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    lines = re.findall(r"^(?: {4}.*\bei\.|import envmap)", "\n".join(texts), re.MULTILINE)
    assert len(lines) >= sum(len(blocks(page)) for page in PAGES) > 5


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page)], ids=lambda page: page.stem
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
    for block in blocks(page):
        exec(compile(block, str(page), "exec"), dict(names))
