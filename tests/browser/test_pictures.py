"""Gestures on the pictures of a page, and ways to look at them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from envmap_inverse.images import read_image, write_image
from envmap_inverse.report import write_report

Open = Callable[..., Any]

PICTURE, MAP, SPHERE = (
    "#picture figure.pane canvas",
    "#map figure.pane canvas",
    "figure.sphere canvas",
)

TO_THE_MIDDLE = "canvas => canvas.scrollIntoView({ block: 'center', behavior: 'instant' })"


@pytest.fixture
def opened(open_page: Open, browser: Any, report: Path) -> Any:
    return open_page(browser, report)


def near_middle(opened: Any, selector: str) -> tuple[float, float]:
    """A point of the screen, well inside a pixel of the picture."""
    box = opened.page.locator(selector).first.bounding_box()
    return box["x"] + 0.52 * box["width"], box["y"] + 0.53 * box["height"]


def test_the_wheel_scrolls_the_page_and_zooms_a_picture_that_was_clicked(opened: Any) -> None:
    page = opened.page
    page.locator(PICTURE).first.evaluate(TO_THE_MIDDLE)
    assert "turn the wheel to zoom" in page.inner_text("#picture .gestures")
    before = opened.pixels(PICTURE)
    page.mouse.move(*near_middle(opened, PICTURE))
    top = page.evaluate("scrollY")
    page.mouse.wheel(0, 40)
    page.wait_for_function("top => scrollY > top", arg=top)
    page.locator(PICTURE).first.evaluate(TO_THE_MIDDLE)
    page.mouse.move(*near_middle(opened, PICTURE))
    page.mouse.click(*near_middle(opened, PICTURE))
    marked, top = opened.pixels(PICTURE), page.evaluate("scrollY")
    read = page.inner_text("#picture .place")
    page.mouse.wheel(0, -200)
    page.locator("#picture.is-zoomed").wait_for()
    assert page.evaluate("scrollY") == top
    assert len({before, marked, opened.pixels(PICTURE)}) == 3
    page.mouse.move(0, 0)
    page.mouse.move(*near_middle(opened, PICTURE))
    opened.settle()
    assert page.inner_text("#picture .place") == read  # what is under the pointer has stayed


def test_two_fingers_zoom_and_one_scrolls_the_page(
    open_page: Open, browser: Any, report: Path
) -> None:
    size = {"width": 390, "height": 800}
    opened = open_page(browser, report, viewport=size, has_touch=True)
    page = opened.page
    page.locator(PICTURE).first.evaluate(TO_THE_MIDDLE)
    x, y = near_middle(opened, PICTURE)
    touch = page.context.new_cdp_session(page)

    def fingers(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": a, "y": b, "id": number} for number, (a, b) in enumerate(places)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", (x - 20, y))
    fingers("touchStart", (x - 20, y), (x + 20, y))
    for reach in (40, 60, 80):
        fingers("touchMove", (x - reach, y), (x + reach, y))
    fingers("touchEnd")
    page.locator("#picture.is-zoomed").wait_for()
    script = "selector => getComputedStyle(document.querySelector(selector)).touchAction"
    assert page.evaluate(script, SPHERE) == "pan-y"
    page.locator(SPHERE).first.tap()
    assert page.evaluate(script, SPHERE) == "none"


def test_false_colours_show_every_picture_by_its_luminance(opened: Any) -> None:
    page = opened.page
    canvases = (".glance canvas", PICTURE, MAP, SPHERE)
    before = [opened.pixels(canvas) for canvas in canvases]
    assert page.locator("#false-key").is_hidden()
    page.select_option("#curve", label="false colours")
    after = [opened.pixels(canvas) for canvas in canvases]
    assert not set(before) & set(after)
    # The exposure is 0.5, so that white is 2, and the ends are 6 stops from that.
    assert page.locator("#false-key output").all_inner_texts() == ["0.0313", "128"]
    # Dark violet to yellow has no pixel with much red and blue but little green.
    script = """canvas => {
        const { width, height } = canvas;
        const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
        const isOfRamp = (k) => data[4 * k] < 90 || data[4 * k + 1] > 150;
        return [...Array(data.length / 4).keys()].every(isOfRamp);
    }"""
    assert page.locator(".glance canvas").first.evaluate(script)


def test_histograms_move_with_the_exposure_and_the_grid_names_directions(opened: Any) -> None:
    page = opened.page
    for section in ("#picture", "#map"):
        plot = f"{section} .histogram canvas"
        page.click(f"{section} .histogram summary")
        page.locator(plot).wait_for()
        assert opened.num_colours(plot) > 3
        legend = page.inner_text(f"{section} .histogram .u-legend")
        assert ("Reference" if section == "#picture" else "Recovered") in legend
    before = opened.pixels(plot), opened.pixels(MAP)
    page.locator("#exposure").press("ArrowRight")
    assert opened.pixels(plot) != before[0]
    page.locator("#exposure").press("ArrowLeft")
    assert opened.pixels(MAP) == before[1]
    page.check("[data-grid]")
    assert opened.pixels(MAP) != before[1]


def test_what_does_not_count_is_grey_in_the_difference(
    open_page: Open, browser: Any, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_run(tmp_path / "run")
    residuals = np.ones_like(read_image(folder / "reference.exr"))
    residuals[:8] = 0  # the upper half
    write_image(folder / "residual.exr", residuals)
    opened = open_page(browser, write_report(folder))
    script = """canvas => [0.25, 0.75].map((share) => [...canvas.getContext("2d")
        .getImageData(canvas.width / 2, share * canvas.height, 1, 1).data])"""
    upper, lower = opened.page.locator("#picture figure.pane canvas >> nth=2").evaluate(script)
    assert upper == [64, 64, 64, 255]
    assert lower != upper
    assert "Grey does not count" in opened.page.inner_text("#picture")
