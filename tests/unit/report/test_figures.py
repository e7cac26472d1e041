from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from envmap_inverse.image_metrics import ldr_flip
from envmap_inverse.images import write_image
from envmap_inverse.report import write_comparison, write_report
from envmap_inverse.report.figures import FLIP, PSNR, WORDS, files_beside, key_figures
from envmap_inverse.run.reading import Run

MakeRun = Callable[..., Path]

DOCS = Path(__file__).parents[3] / "docs" / "report.md"


def test_the_page_and_the_documentation_explain_figures_in_the_same_words() -> None:
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    found = dict(rows)
    assert {name: found.get(name) for name in WORDS} == WORDS


def test_every_headline_figure_is_explained_on_the_page(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    text = html.unescape(write_report(folder).read_text(encoding="utf-8"))
    labels = [figure.label for figure in key_figures(Run.read(folder))]
    assert len(labels) >= 4
    for label in labels:
        assert f'<div title="{WORDS[label]}"><dt><a href="#glossary">{label}</a>' in text
        assert f"<dt>{label}</dt><dd>{WORDS[label]}</dd>" in text


def test_a_page_has_links_to_the_files_beside_it_and_to_no_others(
    make_run: MakeRun, tmp_path: Path
) -> None:
    folder = make_run(tmp_path / "run")
    links = re.findall(r'href="([^"#:]+)"', write_report(folder).read_text(encoding="utf-8"))
    assert "envmap.exr" in links
    assert set(links) <= {path.name for path in folder.iterdir()}
    elsewhere = write_report(folder, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "envmap.exr</a>" not in elsewhere
    assert files_beside(folder, tmp_path) == []


def test_psnr_and_flip_count_pixels_that_have_residuals(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps(summary | {"exposure": 1.0}))
    reference, residuals = np.zeros((2, 16, 24, 3), np.float32)
    fit = reference.copy()
    fit[0] = 1  # wrong in a row of 16, which does not count
    fit[1, :, 0] = 1  # wrong in a third of another
    residuals[1:] = 1
    for name, image in (("reference", reference), ("render", fit), ("residual", residuals)):
        write_image(folder / f"{name}.exr", image)
    figures = dict(key_figures(Run.read(folder)))
    assert float(figures[PSNR]) == pytest.approx(10 * np.log10(15 * 3), abs=0.01)
    counted = np.broadcast_to(np.arange(16)[:, None] > 0, (16, 24))
    expected = ldr_flip(np.clip(fit, 0, 1), reference, mask=counted)
    assert float(figures[FLIP]) == pytest.approx(expected, rel=1e-3)


def test_a_comparison_has_links_to_the_reports_of_its_runs(
    make_run: MakeRun, tmp_path: Path
) -> None:
    runs = [make_run(tmp_path / name, seed=seed) for seed, name in enumerate(("one run", "two"))]
    write_report(runs[0])
    text = write_comparison(runs, tmp_path / "pages.html").read_text(encoding="utf-8")
    assert text.count('/report.html"') == 1
    assert '<strong><a href="one%20run/report.html">' in text
