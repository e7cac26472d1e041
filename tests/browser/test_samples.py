from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

Open = Callable[..., Any]

SAMPLE = "#samples canvas"


@pytest.fixture
def opened(open_page: Open, browser: Any, report: Path) -> Any:
    return open_page(browser, report)


def wait_for_another_map(page: Any, shown: str) -> None:
    """Wait until `shown`, such as "1 of 4", is replaced; a busy machine may skip some maps."""
    is_replaced = "shown => document.querySelector('#samples output').textContent !== shown"
    page.wait_for_function(is_replaced, arg=shown)


def test_maps_drawn_at_random_play_while_they_are_in_sight_until_stopped(opened: Any) -> None:
    page, samples = opened.page, opened.page.locator("#samples")
    samples.scroll_into_view_if_needed()
    expect(samples.locator("button")).to_have_text("Pause")
    wait_for_another_map(page, samples.locator("output").inner_text())
    samples.scroll_into_view_if_needed()
    samples.locator("button", has_text="Pause").click()
    stopped = opened.pixels(SAMPLE)
    page.wait_for_timeout(300)
    assert opened.pixels(SAMPLE) == stopped
    page.locator("#picture").scroll_into_view_if_needed()
    samples.scroll_into_view_if_needed()
    expect(samples.locator("button")).to_have_text("Play")


def test_the_slider_stops_the_maps_and_shows_one(opened: Any) -> None:
    opened.page.locator("#samples").scroll_into_view_if_needed()
    script = "slider => { slider.value = 3; slider.dispatchEvent(new Event('input')) }"
    opened.page.locator("#samples input").evaluate(script)
    expect(opened.page.locator("#samples output")).to_have_text("4 of 4")
    expect(opened.page.locator("#samples button")).to_have_text("Play")


def test_maps_stand_still_for_who_wants_no_motion(
    open_page: Open, browser: Any, report: Path
) -> None:
    opened = open_page(browser, report, reduced_motion="reduce")
    opened.page.locator("#samples").scroll_into_view_if_needed()
    first = opened.pixels(SAMPLE)
    opened.page.wait_for_timeout(300)
    assert opened.pixels(SAMPLE) == first
    expect(opened.page.locator("#samples button")).to_have_text("Play")
