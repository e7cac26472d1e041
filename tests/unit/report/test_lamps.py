from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from envmap_inverse.images import read_image, write_image
from envmap_inverse.report import write_report
from envmap_inverse.report.lamps import MAX_TEXELS, lamps_pane
from envmap_inverse.sphere.latlong import direction_to_uv, texel_directions

MakeRun = Callable[..., Path]


def points(text: str) -> np.ndarray:
    return np.array([[float(part) for part in pair.split(",")] for pair in text.split()])


@pytest.fixture
def run(make_run: MakeRun, tmp_path: Path) -> Path:
    """With 16 samples, in which the lamp's irradiance varies by 10 %."""
    folder = make_run(tmp_path / "run")
    texels = read_image(folder / "envmap.exr")
    levels = np.random.default_rng(1).normal(1, 0.1, 16)
    for number, level in enumerate(levels):
        write_image(folder / f"sample_{number:03d}.exr", level * texels)
    return folder


def test_the_lamp_is_marked_where_it_is(run: Path) -> None:
    pane = lamps_pane("Recovered", read_image(run / "envmap.exr"), run, 0.5)
    mark = pane.marks[0]
    u, v = direction_to_uv(texel_directions(16, 32)[4, 8])
    assert mark.place == pytest.approx((640 * u, 320 * v), abs=2)
    assert points(mark.disc).mean(axis=0) == pytest.approx(mark.place, abs=5)
    assert mark.ellipse is not None
    assert np.ptp(points(mark.ellipse)[:, 1]) > 0
    assert mark.deviation == pytest.approx(0.1 * mark.irradiance, rel=0.6)


def test_a_map_without_a_run_has_no_ellipses(run: Path) -> None:
    pane = lamps_pane("Truth", read_image(run / "envmap.exr"), None, 0.5)
    assert pane.marks[0].ellipse is None
    assert pane.marks[0].degrees is None


def test_an_outline_does_not_cross_the_map_at_its_seam() -> None:
    texels = np.full((32, 64, 3), 0.1, np.float32)
    texels[15, [0, 63]] = 100
    (mark,) = lamps_pane("Truth", texels, None, 1.0).marks
    assert np.ptp(points(mark.disc)[:, 0]) < 100


def test_a_large_map_is_drawn_smaller() -> None:
    texels = np.ones((300, 600, 3), np.float32)
    assert texels[:, :, 0].size > MAX_TEXELS
    assert lamps_pane("Truth", texels, None, 1.0).marks == []


def test_the_report_says_what_the_lamps_send(run: Path) -> None:
    text = write_report(run).read_text(encoding="utf-8")
    assert text.count('<figure class="lamps">') == 2  # truth and recovered
    assert 'class="error"' in text
    assert " ± " in text
