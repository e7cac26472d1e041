from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_on_a_phone_everything_to_touch_is_large_and_every_section_has_a_link(
    open_page: Callable[..., Any], browser: Any, report: Path
) -> None:
    opened = open_page(browser, report, viewport={"width": 390, "height": 800})
    script = """() => [...document.querySelectorAll(
            "button, select, summary, label.check, nav a, .files a")]
        .filter((element) => element.checkVisibility() && !element.closest(".uplot"))
        .map((element) => element.getBoundingClientRect())
        .filter(({ width, height }) => width < 44 || height < 44).length"""
    assert opened.page.evaluate(script) == 0
    assert opened.page.evaluate("document.documentElement.scrollWidth") == 390
    links = [link.get_attribute("href") for link in opened.page.locator("nav a").all()]
    sections = [
        f"#{section.get_attribute('id')}" for section in opened.page.locator("section").all()
    ]
    assert links == sections
