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


def test_maps_drawn_at_random_play_while_they_are_in_sight_until_stopped(opened: Any) -> None:
    page, samples = opened.page, opened.page.locator("#samples")
    samples.scroll_into_view_if_needed()
    expect(samples.locator("button")).to_have_text("Pause")
    first = opened.pixels(SAMPLE)
    expect(samples.locator("output")).to_have_text("2 of 4")
    assert opened.pixels(SAMPLE) != first
    samples.locator("button").click()
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
