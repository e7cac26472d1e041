from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from envmap_inverse.report import write_comparison

Open = Callable[..., Any]

PICTURE = "#picture figure.pane canvas"
MAP = "#map figure.pane canvas"
SPHERE = "figure.sphere canvas"
BALLS = "#balls canvas"
FRAME = "figure.sheet canvas"
CURVE = "#curves canvas"


@pytest.fixture
def opened(open_page: Open, browser: Any, report: Path) -> Any:
    return open_page(browser, report)


def slide(opened: Any, selector: str, value: float) -> None:
    """Move a slider as a user does."""
    script = "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')) }"
    opened.page.locator(selector).evaluate(script, value)


def drag(opened: Any, selector: str, dx: float, dy: float) -> None:
    canvas = opened.page.locator(selector).first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    mouse = opened.page.mouse
    mouse.move(x, y)
    mouse.down()
    mouse.move(x + dx, y + dy, steps=3)
    mouse.up()


@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("kind", ["report", "comparison"])
def test_a_page_asks_for_nothing_complains_of_nothing_and_shows_everything(
    open_page: Open,
    browser: Any,
    request: pytest.FixtureRequest,
    kind: str,
    width: int,
) -> None:
    path = request.getfixturevalue(kind)
    size = {"width": width, "height": 800}
    opened = open_page(browser, path, viewport=size)
    assert [url for url in opened.requests if not url.startswith("data:")] == [path.as_uri()]
    assert opened.complaints == []
    for canvas in (PICTURE, MAP, SPHERE, BALLS, FRAME):
        assert opened.num_colours(canvas) > 50, canvas
    assert opened.num_colours(CURVE) > 3
    # Nothing sticks out at the side.
    assert opened.page.evaluate("document.documentElement.scrollWidth") == width
    for scheme, colour in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(21, 21, 21)")):
        opened.page.emulate_media(color_scheme=scheme)
        opened.settle()
        background = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == colour
        assert opened.complaints == []


def test_an_evaluation_shows_two_maps_their_difference_and_errors(
    open_page: Open, browser: Any, evaluation: Path
) -> None:
    opened = open_page(browser, evaluation)
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith("data:")] == [evaluation.as_uri()]
    assert opened.page.inner_text("h1") == "<script>map.exr"
    for canvas in (MAP, SPHERE, BALLS):
        assert opened.num_colours(canvas) > 50, canvas
    for section in ("#picture", "#iterations", "#curves"):
        assert opened.page.locator(section).count() == 0
    text = opened.page.inner_text("main")
    assert "Three spheres" in text
    assert "0.125" in text
    assert "envmap-inverse evaluate '<script>map.exr' true.exr" in text


def test_runs_that_are_compared_have_pictures_of_one_width(
    open_page: Open, browser: Any, comparison: Path
) -> None:
    opened = open_page(browser, comparison, viewport={"width": 360, "height": 800})
    canvases = opened.page.locator(PICTURE).all()
    assert {canvas.bounding_box()["width"] for canvas in canvases} == {328}


def test_the_difference_from_the_truth_stands_in_place_of_the_recovered_map(opened: Any) -> None:
    truth, recovered = MAP, f"{MAP} >> nth=1"
    before = [opened.pixels(canvas) for canvas in (truth, recovered)]
    opened.page.select_option("[data-overlay]", label="difference")
    after = [opened.pixels(canvas) for canvas in (truth, recovered)]
    assert after[0] == before[0]
    assert after[1] != before[1]
    assert "too bright" in opened.page.inner_text("#map .difference")
    opened.page.locator(truth).first.press("ArrowRight")
    opened.settle()
    outputs = opened.page.locator("#map figcaption output").all_inner_texts()
    assert outputs[1] == "0  0  0"  # the truth, where there is no lamp
    slide(opened, "#exposure", -2)
    assert opened.pixels(recovered) != after[1]
    opened.page.select_option("[data-overlay]", label="radiance")
    opened.settle()
    assert "±" in opened.page.locator("#map figcaption output").nth(1).inner_text()


def test_every_axis_of_the_curves_is_labelled(opened: Any) -> None:
    """However small the range is; uPlot asks the axis for its texts when it draws."""
    script = """() => [[1.21, 1.44], [0.0043, 0.0047], [0.2, 0.5], [3, 4000], [1e-7, 2e-7]].map(
        ([low, high]) => {
            const lines = LOG_AXIS.splits(null, 1, low, high);
            return LOG_AXIS.filter(null, lines).filter((y) => y !== null).map(tickText);
        },
    )"""
    opened.settle()
    for labels in opened.page.evaluate(script):
        assert 2 <= len(set(labels)) == len(labels) <= 12


def test_the_theme_can_be_switched(opened: Any) -> None:
    before = opened.pixels(CURVE)
    opened.page.click("#theme")
    background = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(21, 21, 21)"
    assert opened.pixels(CURVE) != before


def test_exposure_and_tone_map_change_every_picture(opened: Any) -> None:
    canvases = (PICTURE, MAP, SPHERE, BALLS)
    seen = [[opened.pixels(canvas) for canvas in canvases]]
    slide(opened, "#exposure", -2)
    seen.append([opened.pixels(canvas) for canvas in canvases])
    opened.page.select_option("#curve", "filmic")
    seen.append([opened.pixels(canvas) for canvas in canvases])
    assert all(len(set(pictures)) == 3 for pictures in zip(*seen, strict=True))
    assert opened.page.inner_text("#stops") == "−2.0 EV"


def test_dragging_a_view_turns_all_views_and_their_frame_on_the_maps(opened: Any) -> None:
    second = f"{SPHERE} >> nth=1"
    before = [opened.pixels(canvas) for canvas in (SPHERE, second, MAP)]
    drag(opened, SPHERE, 80, 30)
    after = [opened.pixels(canvas) for canvas in (SPHERE, second, MAP)]
    assert all(a != b for a, b in zip(before, after, strict=True))


def test_keys_turn_a_view(opened: Any) -> None:
    seen = [opened.pixels(SPHERE)]
    for key in ("ArrowLeft", "ArrowUp", "+"):
        opened.page.locator(SPHERE).first.press(key)
        seen.append(opened.pixels(SPHERE))
    assert len(set(seen)) == 4


def test_a_view_shows_straight_ahead_what_the_map_shows_in_the_middle(opened: Any) -> None:
    # The middle of the map is +z, at which the views begin; the middle pixel must agree.
    script = """() => {
        const map = Raster.named(document.querySelector("figure.sphere").dataset.raster);
        const canvas = document.querySelector("figure.sphere canvas");
        const { width, height } = canvas;
        const shown = canvas.getContext("2d").getImageData(width / 2, height / 2, 1, 1).data;
        const table = display.tableFor(map.scale);
        const first = 3 * (Math.floor(map.height / 2) * map.width + map.width / 2);
        const halves = [...map.halves];
        // Halfway between four texels of 16 rows and 32 columns.
        const value = (k) => [0, -3, -3 * map.width, -3 * map.width - 3]
            .reduce((sum, step) => sum + HALF_TO_FLOAT[halves[first + step + k]] / 4, 0);
        return [0, 1, 2].map((k) =>
            [shown[k], 255 * srgb(Math.min(value(k) * display.exposure, 1))]);
    }"""
    opened.settle()
    for found, expected in opened.page.evaluate(script):
        assert found == pytest.approx(expected, abs=3)


def test_views_outlive_the_loss_of_their_context(
    open_page: Open, browser: Any, report: Path
) -> None:
    opened = open_page(browser)
    keep = """() => {
        const getContext = HTMLCanvasElement.prototype.getContext;
        HTMLCanvasElement.prototype.getContext = function (kind, options) {
            const context = getContext.call(this, kind, options);
            if (kind === "webgl2") window.loss = context.getExtension("WEBGL_lose_context");
            return context;
        };
    }"""
    opened.page.add_init_script(f"({keep})()")
    opened.goto(report)
    before = opened.pixels(SPHERE)
    opened.page.evaluate("loss.loseContext()")
    slide(opened, "#exposure", -1)
    assert opened.pixels(SPHERE) == before
    opened.page.evaluate(
        """() => new Promise((done) => {
            setTimeout(() => { loss.restoreContext(); setTimeout(done, 100); }, 0);
        })"""
    )
    assert opened.pixels(SPHERE) != before
    assert opened.num_colours(SPHERE) > 50


def test_a_click_on_a_light_turns_the_views_to_it(opened: Any) -> None:
    before = opened.pixels(SPHERE)
    opened.page.click("table.lights button >> nth=0")
    assert opened.pixels(SPHERE) != before


def test_the_read_out_tells_radiance(opened: Any, report: Path) -> None:
    opened.page.locator(PICTURE).first.press("ArrowRight")
    opened.settle()
    place = opened.page.inner_text("#picture .place")
    assert place == "Pixel 13, 8"
    outputs = opened.page.locator("#picture figcaption output").all_inner_texts()
    reference, fit, difference = ([float(x) for x in text.split()] for text in outputs)
    assert len(reference) == 3
    # Each is rounded to three digits, of values below 2.
    for a, b, d in zip(reference, fit, difference, strict=True):
        assert d == pytest.approx(b - a, abs=0.011)


def test_hovering_moves_the_read_out(opened: Any) -> None:
    opened.page.locator(MAP).first.hover()
    opened.settle()
    assert opened.page.inner_text("#map .place").startswith("Azimuth 1")
    assert "±" in opened.page.locator("#map figcaption output").nth(1).inner_text()
    opened.page.mouse.move(0, 0)
    opened.settle()
    assert "Azimuth" not in opened.page.inner_text("#map .place")


def test_a_touch_leaves_the_read_out_standing(open_page: Open, browser: Any, report: Path) -> None:
    opened = open_page(browser, report, viewport={"width": 360, "height": 800}, has_touch=True)
    opened.page.locator(PICTURE).first.tap()
    opened.settle()
    assert opened.page.inner_text("#picture .place").startswith("Pixel 12, ")


def test_zooming_shows_a_part_in_all_panes(opened: Any) -> None:
    panes = [f"{PICTURE} >> nth={k}" for k in range(3)]
    before = [opened.pixels(pane) for pane in panes]
    opened.page.click("#picture [data-zoom=in]")
    zoomed = [opened.pixels(pane) for pane in panes]
    drag(opened, PICTURE, 40, 20)
    opened.page.mouse.move(0, 0)
    panned = [opened.pixels(pane) for pane in panes]
    opened.page.click("#picture [data-zoom=all]")
    assert [opened.pixels(pane) for pane in panes] == before
    assert all(len(set(seen)) == 3 for seen in zip(before, zoomed, panned, strict=True))


def test_the_divider_is_moved_by_drag_and_by_slider(opened: Any) -> None:
    opened.page.check("#picture [data-swipe]")
    canvas = "figure.swipe canvas"
    middle = opened.pixels(canvas)
    slide(opened, "figure.swipe input", 0.2)
    left = opened.pixels(canvas)
    drag(opened, canvas, 60, 0)
    opened.page.mouse.move(0, 0)
    assert len({middle, left, opened.pixels(canvas)}) == 3
    assert float(opened.page.input_value("figure.swipe input")) > 0.5


def test_the_sides_of_the_divider_can_be_chosen(opened: Any) -> None:
    opened.page.check("#picture [data-swipe]")
    before = opened.pixels("figure.swipe canvas")
    opened.page.locator("#picture [data-side]").nth(1).select_option(label="Difference")
    assert opened.pixels("figure.swipe canvas") != before
    assert opened.page.inner_text("figure.swipe .name") == "Reference | Difference"


def test_coverage_and_deviation_lie_over_the_recovered_map(opened: Any) -> None:
    truth, recovered = [opened.pixels(MAP)], [opened.pixels(f"{MAP} >> nth=1")]
    for quantity in ("coverage", "standard deviation"):
        opened.page.select_option("[data-overlay]", label=quantity)
        truth.append(opened.pixels(MAP))
        recovered.append(opened.pixels(f"{MAP} >> nth=1"))
        assert quantity in opened.page.inner_text("#map .legend")
    assert len(set(truth)) == 1
    assert len(set(recovered)) == 3


def test_the_scrubber_shows_other_iterations(opened: Any) -> None:
    last = opened.pixels(FRAME)
    assert opened.page.inner_text("#iterations output").startswith("iteration 39, 3.90 s, loss")
    slide(opened, "#scrubber", 3)
    assert opened.pixels(FRAME) != last
    assert opened.page.inner_text("#iterations output").startswith("iteration 6,")


def test_playing_runs_through_the_iterations(opened: Any) -> None:
    slide(opened, "#scrubber", 0)
    opened.page.click("#play")
    scrubber = opened.page.locator("#scrubber")
    expect(scrubber).to_have_value(re.compile(r"[2-9]|1\d"))
    opened.page.click("#play")
    stopped = opened.page.input_value("#scrubber")
    opened.page.wait_for_timeout(300)
    assert opened.page.input_value("#scrubber") == stopped


def test_curves_have_two_axes_of_either_kind_and_zoom(opened: Any) -> None:
    seen = [opened.pixels(CURVE)]
    opened.page.select_option("#across", "seconds")
    seen.append(opened.pixels(CURVE))
    opened.page.uncheck("#log")
    seen.append(opened.pixels(CURVE))
    drag(opened, "#curves .u-over", 80, 0)
    seen.append(opened.pixels(CURVE))
    opened.page.click("#curves [data-zoom=in]")
    seen.append(opened.pixels(CURVE))
    assert len(set(seen)) == len(seen)
    opened.page.click("#curves [data-zoom=all]")
    assert opened.pixels(CURVE) == seen[2]


def test_everything_can_be_reached_by_keyboard(opened: Any) -> None:
    script = """() => [...document.querySelectorAll("button, select, input, canvas, summary")]
        .filter((element) => element.checkVisibility() && element.tabIndex < 0
                && !element.closest(".uplot, figure.sheet, figure.samples, .glance")).length"""
    assert opened.page.evaluate(script) == 0


def test_without_webgl_the_views_are_pictures(
    open_page: Open, browser_without_webgl: Any, report: Path
) -> None:
    opened = open_page(browser_without_webgl, report)
    assert opened.complaints == []
    assert opened.page.locator("figure.sphere canvas").count() == 0
    assert opened.page.locator("figure.sphere img").first.is_visible()
    assert "needs WebGL" in opened.page.inner_text("#map")
    before = opened.pixels(PICTURE)
    slide(opened, "#exposure", -2)
    assert opened.pixels(PICTURE) != before


@pytest.mark.parametrize("kind", ["report", "comparison"])
def test_without_scripts_the_pictures_and_tables_are_there(
    open_page: Open, browser: Any, request: pytest.FixtureRequest, kind: str
) -> None:
    opened = open_page(browser, request.getfixturevalue(kind), java_script_enabled=False)
    images = opened.page.locator("img")
    num_runs = 1 if kind == "report" else 2
    # Of each run fit, map, view, balls, a map at random, two differences, two quantities,
    # irradiance and two sheets; of the reference and the truth one picture, and of the truth a
    # view, balls and irradiance.
    at_the_top = 3 if kind == "report" else 0
    assert images.count() == 12 * num_runs + 5 + at_the_top
    for image in images.all():
        assert image.is_visible()
        assert image.evaluate("image => image.naturalWidth") > 0
    assert opened.page.locator("table.lights").count() == num_runs + 1
    text = opened.page.inner_text("main")
    assert "log RMSE" in text
    assert "envmap-inverse demo" in text
    assert not opened.page.locator("button:visible, select:visible, input:visible").count()


def test_markup_in_names_is_text(
    open_page: Open, browser: Any, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    runs = [
        make_run(tmp_path / name, scene=f"{evil}.xml", reference=[evil])
        for name in ("<script>alert(3)<", "b")
    ]
    summary = json.loads((runs[0] / "summary.json").read_text())
    (runs[0] / "summary.json").write_text(json.dumps(summary | {"warnings": [evil]}))
    opened = open_page(browser, write_comparison(runs, tmp_path / "page.html"))
    assert opened.complaints == []
    assert opened.page.locator("[onerror]").count() == 0
    assert opened.page.inner_text("body").count(evil) == 5


def test_the_map_and_the_picture_at_the_top_follow_the_exposure(opened: Any) -> None:
    glance = [f".glance canvas >> nth={k}" for k in range(3)]
    before = [opened.pixels(canvas) for canvas in glance]
    slide(opened, "#exposure", -2)
    after = [opened.pixels(canvas) for canvas in glance]
    assert not set(before) & set(after)
    assert opened.page.locator("header a[href='envmap.exr']").is_visible()
