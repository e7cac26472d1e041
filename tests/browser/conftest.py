"""A headless browser. Where there is none, its tests are skipped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from envmap_inverse.report import write_comparison, write_evaluation, write_report
from envmap_inverse.report.sequence import write_sequence_report
from envmap_inverse.run.reading import Run

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    *("--no-sandbox", "--no-first-run", "--disable-quic", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
SOFTWARE_GL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
SCREEN: Any = {"width": 700, "height": 500}
NO_GL = ("--disable-gpu", "--disable-software-rasterizer")


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def launch(playwright: Playwright) -> Callable[..., Browser]:
    program = next((path for path in map(shutil.which, NAMES) if path), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed")

    def start(*flags: str) -> Browser:
        return playwright.chromium.launch(executable_path=program, args=[*QUIET, *flags])

    return start


@pytest.fixture(scope="session")
def browser(launch: Callable[..., Browser]) -> Iterator[Browser]:
    """A browser with WebGL 2."""
    with launch(*SOFTWARE_GL) as started:
        yield started


@pytest.fixture(scope="session")
def browser_without_webgl(launch: Callable[..., Browser]) -> Iterator[Browser]:
    with launch(*NO_GL) as started:
        yield started


class Opened:
    """A page in a browser, and what it asked for and complained of."""

    def __init__(self, page: Page, *, is_scripted: bool) -> None:
        self.page, self.is_scripted = page, is_scripted
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def goto(self, path: Path) -> None:
        self.page.goto(path.as_uri())
        if self.is_scripted:
            self.page.locator("html.is-scripted").wait_for(state="attached")
        self.settle()

    def settle(self) -> None:
        """Wait for two frames, after which everything has been drawn."""
        if not self.is_scripted:
            return
        self.page.evaluate(
            "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    def pixels(self, selector: str) -> str:
        """The pixels of a canvas, as text."""
        self.settle()
        return str(self.page.locator(selector).first.evaluate("canvas => canvas.toDataURL()"))

    def num_colours(self, selector: str) -> int:
        """Number of colours that a canvas shows."""
        self.settle()
        script = """canvas => {
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            return new Set(new Uint32Array(data.buffer)).size;
        }"""
        return int(self.page.locator(selector).first.evaluate(script))


@pytest.fixture
def open_page() -> Iterator[Callable[..., Opened]]:
    """Opens a page, or none yet, in a fresh context of a browser, made as the keywords say.

    Screens are small, as processors draw for WebGL, too.
    """
    contexts = []

    def make(browser: Browser, path: Path | None = None, **options: Any) -> Opened:
        contexts.append(browser.new_context(**{"viewport": SCREEN, **options}))
        is_scripted = options.get("java_script_enabled", True)
        opened = Opened(contexts[-1].new_page(), is_scripted=is_scripted)
        if path is not None:
            opened.goto(path)
        return opened

    yield make
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def report(make_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a made-up run."""
    return write_report(make_run(tmp_path_factory.mktemp("report") / "run"))


@pytest.fixture(scope="session")
def comparison(make_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page that compares two made-up runs."""
    folder = tmp_path_factory.mktemp("comparison")
    runs = [make_run(folder / name, seed=seed) for name, seed in (("one", 2), ("two", 5))]
    return write_comparison(runs, folder / "compare.html")


@pytest.fixture(scope="session")
def evaluation(make_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page that holds a made-up map against the true one."""
    folder = tmp_path_factory.mktemp("evaluation")
    run = Run.read(make_run(folder / "run"))
    assert run.ground_truth is not None
    return write_evaluation(
        folder / "evaluation.html",
        Path("<script>map.exr"),
        texels=run.envmap,
        ground_truth=run.ground_truth,
        coverage=run.coverage,
        metrics={"sse": 12.5, "seen": {"sse": 12.0}, "unseen": {"sse": 0.5}},
        protocols={"three_spheres": {"mirror": {"si_rmse": 0.125}}},
        settings={"estimate": "<script>map.exr", "truth": "true.exr"},
        command="envmap-inverse evaluate '<script>map.exr' true.exr",
    )


@pytest.fixture(scope="session")
def sequence(make_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a made-up sequence of 40 frames with a light that moves."""
    folder = make_run(tmp_path_factory.mktemp("sequence") / "run")
    numbers = {"frames": 40, "followed": 39, "frames_per_second": 4, "solved_per_second": 8}
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps(summary | numbers))
    light = {
        "frames": [1, 40],
        "directions": [[1, 0, 0], [0, 0.6, 0.8]],
        "irradiances": [[1, 2, 3], [2, 3, 4]],
    }
    (folder / "lights.json").write_text(json.dumps({"lights": [light]}))
    return write_sequence_report(folder)
