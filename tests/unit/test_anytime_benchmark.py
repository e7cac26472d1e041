from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path

from PIL import Image

sys.path.append(str(Path(__file__).parents[2]))  # the benchmarks are not installed

from benchmarks import anytime
from benchmarks.settings import Settings
from benchmarks.tables import Spread


def test_each_material_and_film_has_a_panel_with_a_curve_a_method() -> None:
    table = anytime.anytime(Settings())
    rows = [
        (material, film, method, Spread.of([k + 1.0]), 1.0, 1.0, 1.0, 1.0, 1 / (k + 1))
        for material in ("mirror", "rough")
        for film in ("64^2", "256^2", "512^2")
        for method in ("plain loop", anytime.DEFAULT)
        for k in range(3)
    ]
    assert len(rows[0]) == len(table.columns)
    with Image.open(io.BytesIO(anytime.draw(replace(table, rows=rows)))) as picture:
        assert picture.height > picture.width
