"""What axe-core finds, by the rules of WCAG and by good practice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from posed import posed

from envmap_inverse.report.live import LiveView
from envmap_inverse.system.crew import Crew

Open = Callable[..., Any]


def findings(opened: Any) -> list[str]:
    """Rules that the page breaks in either theme, with the elements that break them."""
    found = []
    for scheme, options in (("light", None), ("dark", {"runOnly": ["color-contrast"]})):
        opened.page.emulate_media(color_scheme=scheme)
        opened.settle()
        for broken in Axe().run(opened.page, options=options).response["violations"]:
            found += [f"{scheme}: {broken['id']}: {node['html']}" for node in broken["nodes"]]
    return found


@pytest.mark.parametrize("kind", ["report", "comparison", "evaluation", "sequence"])
def test_axe_finds_nothing_on_a_page(
    open_page: Open, browser: Any, request: pytest.FixtureRequest, kind: str
) -> None:
    # On a narrow screen, where tables scroll.
    size = {"width": 360, "height": 800}
    opened = open_page(browser, request.getfixturevalue(kind), viewport=size)
    assert findings(opened) == []


def test_axe_finds_nothing_on_a_live_view(open_page: Open, browser: Any, tmp_path: Path) -> None:
    with LiveView(tmp_path / "run") as view:
        view.begin(posed(np.ones((16, 32, 3), np.float32)), [])
        crew = Crew([range(3)] * 60)
        crew.look([("", 2)] * 60)
        opened = open_page(browser)
        opened.page.goto(view.address)
        expect(opened.page.locator("#status")).to_contain_text("goes on")
        expect(opened.page.locator("#workers li")).to_have_count(len(crew.workers))
        assert findings(opened) == []
