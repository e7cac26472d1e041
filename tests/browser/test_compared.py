"""A page of several runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from envmap_inverse.report import write_comparison

Open = Callable[..., Any]


def test_what_differs_is_marked_and_what_cannot_be_compared_is_apart(
    open_page: Open, browser: Any, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    settings = {"size": "64x64", "seed": 3}
    runs = [
        make_run(tmp_path / loss, loss=loss, output=loss, **settings)
        for loss in ("MSE", "LogMSE:epsilon=0.1")
    ]
    opened = open_page(browser, write_comparison(runs, tmp_path / "page.html"))
    rows = opened.page.locator("tr.differs").all_inner_texts()
    assert [row.split() for row in rows] == [["loss", "≠", "MSE", "LogMSE:epsilon=0.1"]]
    assert "losses differ in kind" in opened.page.inner_text("header")
    assert "pictures differ" not in opened.page.inner_text("header")
    titles = opened.page.locator("#curves .u-title").all_inner_texts()
    assert titles == ["Loss, MSE", "Loss, LogMSE", "Sum of squared errors of the map"]
