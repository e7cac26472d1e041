"""The benchmark of errors at any moment, on tiny films; its numbers mean nothing here."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from PIL import Image

from benchmarks import anytime
from benchmarks.settings import Settings


def test_the_default_has_points_before_its_last_and_all_are_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(anytime, "MATERIALS", ("mirror",))
    monkeypatch.setattr(anytime, "ITERATIONS", (2,))
    monkeypatch.setattr(anytime, "HAND_SET", {"spp=4": anytime.HAND_SET["spp=4"]})
    table = anytime.anytime(Settings(quick=True, shrink=16))
    table = replace(table, rows=list(table.rows))
    methods = [row[2] for row in table.rows if row[1] == "16^2"]
    assert methods.count(anytime.DEFAULT) > 2
    assert methods.count(anytime.LOOP) == 1
    seconds = [row[3].median for row in table.rows if row[1:3] == ("16^2", anytime.DEFAULT)]
    assert seconds == sorted(seconds)
    assert Image.open(io.BytesIO(anytime.draw(table))).width > 300
