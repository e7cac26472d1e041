from __future__ import annotations

import base64
import io
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import envmap_inverse as ei
from envmap_inverse.problem.solution import Record

SVG = "{http://www.w3.org/2000/svg}"
Make = Callable[..., ei.Estimate]


@pytest.fixture
def estimate(random_map: Callable[..., NDArray[np.float32]]) -> Make:
    def make(
        *,
        losses: tuple[float, ...] = (4.0, 2.0, 1.0),
        errors: tuple[float | None, ...] = (None, None, None),
        **fields: Any,
    ) -> ei.Estimate:
        history = tuple(
            Record(index=k, loss=loss, error=error, seconds=k)
            for k, (loss, error) in enumerate(zip(losses, errors, strict=True))
        )
        coverage = random_map(seed=2)
        coverage[:2] = 0
        defaults = {"texels": random_map(), "coverage": coverage, "seconds": 1.25, "phases": {}}
        return ei.Estimate(**{**defaults, "history": history, **fields})

    return make


@pytest.fixture
def _no_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("matplotlib", "matplotlib.pyplot", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)


def parsed(result: ei.Estimate) -> ET.Element:
    return ET.fromstring(result._repr_html_())


def pictures(result: ei.Estimate) -> list[NDArray[np.uint8]]:
    sources = [image.attrib["src"] for image in parsed(result).iter("img")]
    prefix = "data:image/png;base64,"
    assert all(source.startswith(prefix) for source in sources)
    files = [io.BytesIO(base64.b64decode(source.removeprefix(prefix))) for source in sources]
    return [np.asarray(Image.open(file)) for file in files]


def lines(result: ei.Estimate) -> list[list[tuple[float, float]]]:
    found = [line.attrib["points"].split() for line in parsed(result).iter(f"{SVG}polyline")]
    return [[tuple(map(float, point.split(","))) for point in line] for line in found]  # type: ignore[misc]


# HTML


def test_a_notebook_is_shown_the_map_as_a_png(estimate: Make) -> None:
    result = estimate()
    exposure = 0.8 / np.percentile(result.texels, 95)
    np.testing.assert_array_equal(pictures(result)[0], ei.tonemap(result.texels, exposure))


def test_only_unseen_texels_are_black_in_the_coverage(estimate: Make) -> None:
    result = estimate()
    _, coverage = pictures(result)
    np.testing.assert_array_equal(coverage.max(axis=2) == 0, result.coverage.sum(axis=2) == 0)
    assert len(np.unique(coverage.reshape(-1, 3), axis=0)) > 10


def test_a_map_that_nothing_sees_is_shown(estimate: Make) -> None:
    result = estimate(coverage=np.zeros((8, 16, 3), np.float32))
    assert not pictures(result)[1].any()
    assert "0% of the texels seen" in result._repr_html_()


def test_a_large_map_is_shown_smaller(estimate: Make) -> None:
    large = np.ones((400, 800, 3), np.float32)
    assert [picture.shape for picture in pictures(estimate(texels=large, coverage=large))] == [
        (320, 640, 3)
    ] * 2


def test_the_html_is_one_element_without_scripts_or_links(estimate: Make) -> None:
    tags = {element.tag.removeprefix(SVG) for element in parsed(estimate()).iter()}
    assert tags == {
        "div",
        "p",
        "figure",
        "figcaption",
        "img",
        "svg",
        "b",
        "span",
        "path",
        "polyline",
        "text",
    }


def test_a_status_is_text_even_if_it_looks_like_a_tag(estimate: Make) -> None:
    result = estimate(status="<script>alert(1)</script>")
    assert "<script" not in result._repr_html_()
    assert (parsed(result).findtext("p") or "").endswith("; <script>alert(1)</script>")


def test_the_facts_stand_in_words(estimate: Make) -> None:
    result = estimate(errors=(9.0, 8.0, 7.0))
    assert parsed(result).findtext("p") == (
        "Environment map of 16 x 8 texels, 3 iterations in 1.2 s, loss 1, "
        "sum of squared errors 7, 75% of the texels seen"
    )


def test_equal_ratios_are_equal_steps_of_the_curve(estimate: Make) -> None:
    (line,) = lines(estimate(losses=(4.0, 2.0, 1.0)))
    (x0, y0), (x1, y1), (x2, y2) = line
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.1)
    assert y1 - y0 == pytest.approx(y2 - y1, abs=0.1)
    assert y2 > y0


def test_the_error_has_a_curve_if_it_is_known(estimate: Make) -> None:
    assert len(lines(estimate())) == 1
    assert len(lines(estimate(errors=(9.0, 8.0, 7.0)))) == 2


@pytest.mark.parametrize("losses", [(1.0,), (np.nan, 1.0), (0.0, 1.0), (np.inf, -1.0)], ids=str)
def test_there_is_no_curve_of_less_than_two_numbers(
    estimate: Make, losses: tuple[float, ...]
) -> None:
    assert lines(estimate(losses=losses, errors=(None,) * len(losses))) == []


def test_a_curve_that_stays_level_is_drawn(estimate: Make) -> None:
    (line,) = lines(estimate(losses=(2.0, 2.0, 2.0)))
    assert np.isfinite(line).all()


def test_a_long_history_keeps_its_ends(estimate: Make) -> None:
    losses = tuple(np.linspace(2, 1, 5000))
    (line,) = lines(estimate(losses=losses, errors=(None,) * 5000))
    assert len(line) <= 301
    assert (line[0][0], line[-1][0]) == (60, 310)


# figures


def test_plot_returns_a_figure_of_all_there_is(estimate: Make) -> None:
    result = estimate(errors=(9.0, 8.0, 7.0))
    figure = result.plot(ground_truth=np.ones((4, 8, 3)))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    errors = "Sum of squared errors of the map"
    assert titles == ["Recovered", "Truth", "Coverage", "Loss", errors]
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    assert len(np.unique(np.asarray(Image.open(stream)))) > 100


def test_maps_of_a_figure_share_the_exposure_of_the_ground_truth(estimate: Make) -> None:
    result = estimate()
    recovered, truth, *_ = result.plot(ground_truth=2 * result.texels).axes
    shown = [axes.get_images()[0].get_array() for axes in (recovered, truth)]
    exposure = 0.8 / np.percentile(2 * result.texels, 95)
    np.testing.assert_array_equal(shown[0], ei.tonemap(result.texels, exposure))
    np.testing.assert_array_equal(shown[1], ei.tonemap(2 * result.texels, exposure))


def test_a_figure_holds_the_losses(estimate: Make) -> None:
    figure = estimate().plot()
    (line,) = figure.axes[-1].get_lines()
    np.testing.assert_array_equal(line.get_xydata(), [(0, 4), (1, 2), (2, 1)])
    assert figure.axes[-1].get_yscale() == "log"


def test_a_figure_without_a_curve_has_the_maps(estimate: Make) -> None:
    figure = estimate(losses=(1.0,), errors=(None,)).plot()
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Recovered", "Coverage"]


def test_pyplot_keeps_no_figure(estimate: Make) -> None:
    from matplotlib import pyplot as plt

    estimate().plot()
    assert plt.get_fignums() == []


@pytest.mark.usefixtures("_no_matplotlib")
def test_without_matplotlib_the_extra_is_named(estimate: Make) -> None:
    with pytest.raises(ei.InputError, match=r"plot needs matplotlib: pip install '.*\[plot\]'"):
        estimate().plot()
