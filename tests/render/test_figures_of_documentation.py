"""`docs/draw_figures.py` draws, here on small scenes."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import envmap_inverse as ei

SCRIPT = Path(__file__).parents[2] / "docs" / "draw_figures.py"


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch, make_scene: Callable[..., ei.Scene]) -> Any:
    """The script as a module, with few paths and a sphere in place of the bunny."""
    pytest.importorskip("matplotlib", reason="no matplotlib: it comes with the extra [plot]")
    spec = importlib.util.spec_from_file_location("draw_figures", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "PATHS", 2**10)
    monkeypatch.setattr("envmap_inverse.optimizers.transport.usual_spp", lambda _: 16)
    monkeypatch.setattr(module, "bundled_scene", lambda _, material: make_scene(material))
    return module


def test_every_figure_of_how_it_works_is_drawn(
    drawing: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.argv", ["draw_figures.py", "--size", "8", "-o", str(tmp_path)])
    drawing.main()
    page = (SCRIPT.parent / "how-it-works.md").read_text(encoding="utf-8")
    drawn = sorted(tmp_path.iterdir())
    assert [path.stem for path in drawn] == sorted(drawing.FIGURES)
    for path in drawn:
        assert f"images/{path.name}" in page
        with Image.open(path) as picture:
            assert np.asarray(picture).std() > 10, path.name
