from __future__ import annotations

import base64
import errno
import hashlib
import html
import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from envmap_inverse import InputError, report
from envmap_inverse.images import encode_png, read_image, write_image
from envmap_inverse.report import tables, write_comparison, write_report
from envmap_inverse.run.reading import Run

MakeRun = Callable[..., Path]


class Page:
    """The parts of a page."""

    def __init__(self, path: Path) -> None:
        self.text = path.read_text(encoding="utf-8")
        self.policy = html.unescape(
            re.findall(r'"Content-Security-Policy" content="([^"]+)"', self.text)[0]
        )

    def elements(self, name: str) -> list[str]:
        return re.findall(rf"<{name}>(.*?)</{name}>", self.text, re.DOTALL)


@pytest.fixture
def page(make_run: MakeRun, tmp_path: Path) -> Page:
    return Page(write_report(make_run(tmp_path / "run")))


def test_a_page_allows_its_own_scripts_and_styles_and_no_request(page: Page) -> None:
    rules = dict(rule.split(" ", 1) for rule in page.policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for rule, name in (("script-src", "script"), ("style-src", "style")):
        digests = [hashlib.sha256(text.encode()).digest() for text in page.elements(name)]
        hashes = {f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests}
        assert set(rules[rule].split()) == hashes


def test_a_page_names_no_address_but_that_of_the_plotting_library(page: Page) -> None:
    without_data = re.sub(r"base64,[^\"]+", "", page.text)
    addresses = set(re.findall(r"[a-z]+://[^\s\"'<>)]+", without_data))
    assert addresses == {"https://github.com/leeoniya/uPlot"}


def test_a_page_says_how_much_of_the_map_is_filled_in(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    words = "What no picture sees is filled in"
    assert f"{words}: 10.0 % of the texels" in write_report(folder).read_text()
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps({**summary, "seen_share": 1.0}))
    assert words not in write_report(folder).read_text()


def test_a_page_shows_markup_as_text(make_run: MakeRun, tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script>"
    folder = make_run(tmp_path / "<b>&run", scene=f"/tmp/{evil}.xml", reference=[evil])
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps(summary | {"warnings": [evil]}))
    text = write_report(folder).read_text()
    assert "<script>alert" not in text
    assert "<b>&run" not in text
    assert text.count(html.escape(evil)) >= 3
    data = re.findall(r'id="data">(.*?)</script>', text, re.DOTALL)[0]
    assert json.loads(data)["runs"][0]["name"] == "<b>&run"


def test_a_page_of_a_run_without_what_is_optional(make_run: MakeRun, tmp_path: Path) -> None:
    text = write_report(make_run(tmp_path / "run", optional=False)).read_text()
    assert "Truth" not in text
    assert 'id="iterations"' not in text
    assert "Without a true map" in text


def test_a_reference_is_compared_by_its_radiance(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    ((before, fit),) = Run.read(folder).pictures
    summary = json.loads((folder / "summary.json").read_text())
    exposures = [[2.0, 4.0, 8.0], [1.0, 1.0, 1.0]]
    (folder / "summary.json").write_text(json.dumps(summary | {"exposures": exposures}))
    ((reference, same_fit),) = Run.read(folder).pictures
    np.testing.assert_array_equal(reference, before / np.float32([2, 4, 8]))
    np.testing.assert_array_equal(same_fit, fit)


def test_a_page_shows_every_picture_that_was_kept(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    for name in ("reference", "render"):
        image = 2 * read_image(folder / f"{name}.exr")
        write_image(folder / f"{name}_1.exr", image[:8])
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps(summary | {"exposures": [[1] * 3, [2] * 3]}))
    run = Run.read(folder)
    np.testing.assert_array_equal(run.pictures[1][0], run.pictures[0][0][:8])
    text = write_report(folder).read_text()
    captions = re.findall(r'<span class="name">((?:Reference|Fit|Difference)[^<]*)<', text)
    kinds = ("Reference", "Fit", "Difference")
    assert captions == [f"{kind} {number}" for number in (1, 2) for kind in kinds]
    assert "from 2 pictures of 24 × 16 pixels" in text


@pytest.mark.parametrize("over", [0.0, 0.25])
def test_a_page_tells_what_clipping_means(make_run: MakeRun, tmp_path: Path, over: float) -> None:
    folder = make_run(tmp_path / "run")
    summary = json.loads((folder / "summary.json").read_text())
    shares = [{"over": over, "under": 0.5}]
    (folder / "summary.json").write_text(json.dumps(summary | {"clipped_share": shares}))
    assert ("fit may well be brighter" in write_report(folder).read_text()) == (over > 0)


def test_a_page_of_noisy_pictures_is_small_enough_to_be_mailed(
    make_run: MakeRun, tmp_path: Path, rng: np.random.Generator
) -> None:
    # As large as those of the demo, and harder to compress.
    folder = make_run(tmp_path / "run")
    for name in ("reference", "render", "envmap", "ground_truth", "coverage", "deviation"):
        size = (512, 512, 3) if name in {"reference", "render"} else (125, 250, 3)
        write_image(folder / f"{name}.exr", rng.gamma(1, 1, size).astype(np.float32))
    begun = time.process_time()
    page = write_report(folder)
    assert time.process_time() - begun < 3
    assert page.stat().st_size < 9e6


def test_a_page_carries_what_runs_have_in_common_once(make_run: MakeRun, tmp_path: Path) -> None:
    one, two = (make_run(tmp_path / name, seed=seed) for name, seed in (("one", 2), ("two", 5)))
    text = write_comparison([one, two], tmp_path / "compare.html").read_text()
    assert text.count('class="name">Reference<') == 1
    # Two runs have a fit, a map, and balls each; one reference, truth with balls, and deviation.
    assert text.count('<script type="text/plain"') == 2 * 3 + 4


def test_a_long_history_is_thinned(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    lines = [
        json.dumps({"index": k, "loss": None, "error": None, "seconds": k}) for k in range(9000)
    ]
    (folder / "history.jsonl").write_text("\n".join(lines))
    data = re.findall(r'id="data">(.*?)</script>', write_report(folder).read_text(), re.DOTALL)[0]
    indices = [line["index"] for line in json.loads(data)["runs"][0]["history"]]
    assert indices[0] == 0
    assert indices[-1] == 8999
    assert 1000 <= len(indices) <= 2100


def test_a_page_that_cannot_be_written(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    with pytest.raises(InputError, match=r"page\.html: cannot be written: No such file"):
        write_report(folder, tmp_path / "nowhere" / "page.html")


def test_a_page_for_which_there_is_no_room(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "a temporary file")

    folder = make_run(tmp_path / "run")
    monkeypatch.setattr(report, "write_bytes", fail)
    with pytest.raises(OSError, match="No space left") as caught:
        write_report(folder)
    assert caught.value.filename == str(folder / "report.html")


def test_a_protocol_is_a_table_of_its_objects(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    summary = json.loads((folder / "summary.json").read_text())
    summary["protocols"] = {
        "relighting": {
            "mirror_knot": {"relative_error": 0.125},
            "diffuse_knot": {"relative_error": 0.25, "normwise_error": 0.5},
        }
    }
    (folder / "summary.json").write_text(json.dumps(summary))
    (found,) = tables.protocols(Run.read(folder))
    assert found.title == "Relighting"
    assert found.table.columns == ["relative error", "normwise error"]
    assert found.table.rows == [
        ("mirror knot", ["0.125", "–"]),
        ("diffuse knot", ["0.25", "0.5"]),
    ]


def test_a_true_map_of_another_size_is_shown_and_not_subtracted(
    make_run: MakeRun, tmp_path: Path
) -> None:
    folder, differences = make_run(tmp_path / "run"), []
    for height in (16, 8):
        write_image(folder / "ground_truth.exr", np.ones((height, 2 * height, 3)))
        text = write_report(folder).read_text()
        assert "Truth" in text
        differences.append(text.count('alt="Recovered: difference from the truth"'))
    assert differences == [1, 0]


def test_a_fit_of_another_size_is_no_fit(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    write_image(folder / "render.exr", np.ones((2, 2, 3)))
    with pytest.raises(InputError, match=r"render\.exr has the shape \(2, 2, 3\) .*; repeat"):
        Run.read(folder)


def test_the_unwrapping_of_a_ball_stands_beside_the_map(
    tmp_path: Path, make_run: Callable[..., Path]
) -> None:
    folder = make_run(tmp_path / "run")
    assert "geometry alone" not in write_report(folder).read_text()
    write_image(folder / "unwrap.exr", np.ones((16, 32, 3), np.float32))
    assert "Unwrapped by geometry alone" in write_report(folder).read_text()


def test_residuals_are_shown_where_the_run_has_them(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    assert "Residuals" not in write_report(folder).read_text()
    write_image(folder / "residual.exr", np.full((3, 4, 3), 2, np.float32))
    assert write_report(folder).read_text().count('alt="Residual"') == 1


def test_outliers_are_marked_where_the_run_has_them(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    assert "Outliers" not in write_report(folder).read_text()
    summary = json.loads((folder / "summary.json").read_text()) | {"outlier_share": [0.25]}
    (folder / "summary.json").write_text(json.dumps(summary))
    mask = np.zeros((3, 4, 3), np.uint8)
    mask[1, 1:] = 255
    (folder / "outliers.png").write_bytes(encode_png(mask))
    assert 'alt="Outliers: 25 % of its pixels"' in write_report(folder).read_text()


@pytest.mark.parametrize(
    ("copies", "words"),
    [
        (
            1,
            "worker 1 (1 shard, 1 MiB), "
            "worker 2 on &lt;b&gt;10.0.0.2 (2 shards, 1 MiB, started again twice).",
        ),
        (5, "10 workers (15 shards, 10 MiB; started again: worker 2 twice, worker 2 twice, "),
    ],
)
def test_the_workers_of_a_run_are_named_below_its_phases(
    make_run: MakeRun, tmp_path: Path, copies: int, words: str
) -> None:
    folder = make_run(tmp_path / "run")
    assert "Recorded and solved by" not in write_report(folder).read_text()
    summary = json.loads((folder / "summary.json").read_text())
    first = {"worker": 1, "machine": "", "shards": 1, "bytes": 2**20, "restarts": 0}
    second = first | {"worker": 2, "machine": "<b>10.0.0.2", "shards": 2, "restarts": 2}
    text = json.dumps(summary | {"workers": copies * [first, second]})
    (folder / "summary.json").write_text(text)
    assert f"Recorded and solved by {words}" in write_report(folder).read_text()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("exposure", "x"), ("clipped_share", [1]), ("seconds", 3), ("exposures", 1)],
        *[("workers", 3), ("workers", [{"worker": 1}])],
    ],
)
def test_a_summary_of_other_kinds_of_values_is_damaged(
    make_run: MakeRun, tmp_path: Path, key: str, value: object
) -> None:
    folder = make_run(tmp_path / "run")
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps(summary | {key: value}))
    with pytest.raises(InputError, match=r"run/summary\.json: is damaged \(\w+Error: .*; repeat"):
        write_report(folder)
