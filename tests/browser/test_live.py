"""The live view in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect
from posed import posed

from envmap_inverse.problem.solution import Iteration
from envmap_inverse.report.live import LiveView
from envmap_inverse.system.crew import Crew
from envmap_inverse.system.progress import stage

Open = Callable[..., Any]


def iteration(index: int) -> Iteration:
    image = np.random.default_rng(index).random((16, 32, 3), np.float32)
    return Iteration(
        index=index,
        loss=1 / (1 + index),
        error=None,
        seconds=0.5 * index,
        texels_on_device=lambda: image,
        image_on_device=lambda: image,
    )


@pytest.fixture
def view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveView]:
    """The live view of a run that does what the test says."""
    monkeypatch.setattr("envmap_inverse.report.live.FAREWELL", 0)  # it stays for the test
    reference = np.ones((16, 32, 3), np.float32)
    with LiveView(tmp_path / "<script>run") as served:
        served.plan(50, "envmap-inverse estimate scene.xml --resume")
        served.begin(posed(reference), [])
        yield served


@pytest.fixture
def opened(open_page: Open, browser: Any, view: LiveView) -> Any:
    opened = open_page(browser)
    opened.page.goto(view.address)
    expect(opened.page.locator("#status")).to_contain_text("goes on")
    return opened


def test_the_page_follows_the_run_without_a_complaint(opened: Any, view: LiveView) -> None:
    page = opened.page
    view.add(iteration(0))
    expect(page.locator("#iteration")).to_have_text("1 of 50")
    expect(page.locator("#image")).to_have_js_property("naturalWidth", 32)
    view.add(iteration(1))
    expect(page.locator("#iteration")).to_have_text("2 of 50")
    expect(page.locator("h1")).to_contain_text("<script>run")
    assert opened.num_colours("#curves canvas") > 1
    before = opened.pixels("#curves canvas")
    for index in range(2, 20):
        view.add(iteration(index))
    expect(page.locator("#iteration")).to_have_text("20 of 50")
    assert opened.pixels("#curves canvas") != before
    assert all(url.startswith((view.address, "data:")) for url in opened.requests)
    assert opened.complaints == []


def test_of_a_sequence_each_frame_is_shown_until_the_report_is_there(
    open_page: Open, browser: Any, tmp_path: Path, sequence: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("envmap_inverse.report.live.FAREWELL", 0)
    page = open_page(browser).page
    with LiveView(tmp_path / "run") as view:
        view.plan(24, "envmap-inverse estimate --sequence --resume", counted="frames")
        view.begin(posed(np.ones((16, 32, 3), np.float32)), [])
        page.goto(view.address)
        expect(page.locator("#image")).to_have_js_property("naturalWidth", 32)
        assert not page.locator("#reference").is_visible()
        view.add(iteration(0))
        view.add(iteration(1))
        expect(page.locator("#iteration")).to_have_text("2 of 24")
        expect(page.locator("#counted")).to_have_text("frames")
        expect(page.locator("#pictures figcaption:visible")).to_have_text(["Frame", "Map"])
        view.end("done", sequence)
        expect(page.locator("#iterations h2")).to_have_text("Over time")


def test_before_the_first_iteration_the_page_says_what_is_done_and_how_long_that_takes(
    open_page: Open, browser: Any, tmp_path: Path
) -> None:
    page = open_page(browser).page
    with LiveView(tmp_path / "run") as view:
        page.goto(view.address)
        with stage("Reading scene.xml", 1.0) as reading:
            reading._begun -= 9  # nine seconds ago
            reading.advance(0.25)
            expect(page.locator("#doing")).to_have_text(
                re.compile(r"Reading scene.xml, 25 %, about \d+ s left.")
            )
        with stage("Writing files"):
            expect(page.locator("#doing")).to_have_text("Writing files.")
        expect(page.locator("#pictures")).to_be_hidden()


def test_each_worker_is_listed_with_what_it_does(opened: Any) -> None:
    workers = opened.page.locator("#workers")
    expect(workers).to_be_hidden()
    crew = Crew([range(4), range(4, 5)])
    for shard in (0, 1):
        crew.has_recorded(0, shard, 60 * 2**20, 3_000_000)
    crew.has_recorded(1, 4, 2**20, 50_000)
    lines = workers.locator("li")
    expect(lines).to_have_text(
        [
            "worker 1recording, 2 of 4 shards, 120 MiB",
            "worker 2recorded, 1 of 1 shard, 1.00 MiB",
        ]
    )
    crew.look([("10.0.0.1", 0), ("10.0.0.2", 2)])
    expect(lines.nth(1)).to_have_text(
        "worker 2 on 10.0.0.2recording again, 0 of 1 shard, 0 MiBstarted again twice"
    )
    del crew
    expect(workers).to_be_hidden()


@pytest.mark.parametrize("width", [320, 1280])
def test_the_list_of_many_workers_stays_inside_the_page(opened: Any, width: int) -> None:
    page = opened.page
    page.set_viewport_size({"width": width, "height": 700})
    crew = Crew([range(20 * n, 20 * n + 20) for n in range(100)])
    crew.look([("a-machine-with-a-name-of.some.length.example", 1)] * 100)
    expect(page.locator("#workers li")).to_have_count(100)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("#workers").evaluate("list => list.clientHeight") < 300
    expect(page.locator("#workers")).to_have_attribute("tabindex", "0")
    assert len(crew.workers) == 100


def test_theme_and_exposure_of_a_live_view_can_be_changed(opened: Any) -> None:
    page = opened.page
    expect(page.locator("#reference")).to_have_js_property("naturalWidth", 32)
    page.click("#theme")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(21, 21, 21)"
    script = """() => {
        const canvas = document.createElement("canvas");
        const context = canvas.getContext("2d");
        context.drawImage(document.getElementById("reference"), 0, 0);
        return context.getImageData(4, 4, 1, 1).data[0];
    }"""
    before = page.evaluate(script)
    page.locator("#exposure").press("Home")
    expect(page.locator("#stops")).to_have_text("−8.0 EV")
    page.wait_for_function(f"before => ({script})() < before - 100", arg=before)


def test_a_stopped_run_leaves_its_files_and_the_line_that_goes_on(
    opened: Any, view: LiveView, report: Path
) -> None:
    folder = report.parent
    view._folder = folder
    view.add(iteration(0))
    view.end("interrupted", report)
    left = opened.page.locator("#left")
    expect(left.locator("pre")).to_have_text("envmap-inverse estimate scene.xml --resume")
    expect(opened.page.locator("#status")).to_contain_text("has ended (interrupted)")
    expect(left.locator("a >> nth=0")).to_have_attribute("href", "report.html")
    expect(left.locator("a[href='envmap.exr']")).to_be_visible()


def test_a_reload_and_a_second_tab_show_all_of_the_run(
    opened: Any, view: LiveView, open_page: Open, browser: Any
) -> None:
    for index in range(5):
        view.add(iteration(index))
    opened.page.reload()
    second = open_page(browser)
    second.page.goto(view.address)
    for page in (opened.page, second.page):
        expect(page.locator("#iteration")).to_have_text("5 of 50")


def test_a_page_whose_connection_was_dropped_catches_up(opened: Any, view: LiveView) -> None:
    page = opened.page
    view.add(iteration(0))
    expect(page.locator("#iteration")).to_have_text("1 of 50")
    page.context.set_offline(True)
    expect(page.locator("#status")).to_contain_text("does not answer")
    for index in range(1, 8):
        view.add(iteration(index))
    page.context.set_offline(False)
    expect(page.locator("#status")).to_contain_text("goes on")
    expect(page.locator("#iteration")).to_have_text("8 of 50")
    expect(page.locator("#progress")).to_have_js_property("value", 0.16)


def test_the_page_becomes_the_report_at_the_end(opened: Any, view: LiveView, report: Path) -> None:
    view.add(iteration(0))
    expect(opened.page.locator("#iteration")).to_have_text("1 of 50")
    view.end("done", report)
    expect(opened.page.locator("#numbers h2")).to_have_text("Numbers")
    opened.page.goto(view.address)  # whoever comes late finds it, too
    expect(opened.page.locator("#numbers h2")).to_have_text("Numbers")


def test_a_page_whose_run_does_not_answer_says_so_and_keeps_what_it_shows(
    opened: Any, view: LiveView
) -> None:
    view.add(iteration(0))
    expect(opened.page.locator("#iteration")).to_have_text("1 of 50")
    view.__exit__(None, None, None)
    expect(opened.page.locator("#status")).to_contain_text("does not answer")
    expect(opened.page.locator("#iteration")).to_have_text("1 of 50")
    expect(opened.page.locator("#left pre")).to_contain_text("--resume")
