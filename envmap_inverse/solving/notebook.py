"""Views of an estimate: HTML for notebooks, a matplotlib figure for papers."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.images import display_exposure, encode_png, tonemap
from envmap_inverse.images.false_colours import VIRIDIS, heat, heat_range
from envmap_inverse.problem.solution import Record
from envmap_inverse.sphere import latlong

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["to_figure", "to_html"]

Image = NDArray[np.float32]

WIDTH, CURVE_HEIGHT = 320, 120
"""Size of a panel of the HTML in CSS pixels; pictures hold up to twice as many."""

MAX_POINTS = 300
FEW = 12
"""Iterations whose points are shown."""
LINE_COLOUR = "#c8500f"
STOPS = ", ".join(f"rgb({red} {green} {blue})" for red, green, blue in VIRIDIS)


def to_html(
    texels: Image,
    coverage: Image,
    history: Sequence[Record],
    *,
    seconds: float,
    status: str,
) -> str:
    """A map, its coverage and the curves of its history as self-contained HTML without scripts.

    Args:
        texels: the map, shape (H, W, 3).
        coverage: how strongly each texel is seen, shape (H, W, 3).
        history: a record per iteration.
        seconds: of the whole estimate.
        status: "done", or why it ended.

    Returns:
        One `<div>`, well-formed XML: two PNGs as data URLs and up to two SVGs.
    """
    seen = coverage.mean(axis=2, keepdims=True)
    panels = [
        _picture(tonemap(_fitted(texels), display_exposure(texels)), "Recovered"),
        _picture(heat(_fitted(seen)[..., 0]), "Coverage", _key(seen)),
    ]
    panels += [_panel(_svg(points), name, "by iteration") for name, points in _curves(history)]
    facts = _facts(texels, seen, history, seconds)
    if status != "done":
        facts = f"{facts}; {status}"
    return (
        f'<div style="font-family:system-ui,sans-serif"><p>{html.escape(facts)}</p>'
        f'<div style="display:flex;flex-wrap:wrap;gap:12px">{"".join(panels)}</div></div>'
    )


def to_figure(
    texels: Image, coverage: Image, history: Sequence[Record], *, ground_truth: Image | None
) -> Figure:
    """A figure of the map, the ground truth if there is one, the coverage and the curves.

    Maps share the exposure that suits the ground truth, or else the map itself.

    Args:
        texels: the map, shape (H, W, 3).
        coverage: how strongly each texel is seen, shape (H, W, 3).
        history: a record per iteration.
        ground_truth: the true map, of any size.

    Returns:
        A matplotlib figure that pyplot does not manage: `savefig` writes it, a notebook shows it.

    Raises:
        InputError: if matplotlib is not installed.
    """
    try:
        from matplotlib import pyplot as plt  # noqa: PLC0415 - an extra, and slow to import
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError:
        raise InputError(
            "plot needs matplotlib: pip install 'envmap-inverse[plot]' (or matplotlib)"
        ) from None
    plt.install_repl_displayhook()  # has a notebook show figures that pyplot does not manage
    maps = {"Recovered": texels}
    if ground_truth is not None:
        maps["Truth"] = ground_truth
    exposure = display_exposure(list(maps.values())[-1])
    curves = _curves(history)
    rows, columns = len(maps) + 1, 2 if curves else 1
    figure = Figure(figsize=(5 * columns, 2.5 * rows), layout="constrained")
    grid = figure.add_gridspec(rows, columns)
    for row, (name, image) in enumerate(maps.items()):
        _titled(figure.add_subplot(grid[row, 0]), name).imshow(tonemap(image, exposure))
    _draw_coverage(_titled(figure.add_subplot(grid[-1, 0]), "Coverage"), coverage.mean(axis=2))
    if curves:
        beside = grid[:, 1].subgridspec(len(curves), 1)
        for number, (name, points) in enumerate(curves):
            _draw_curve(figure.add_subplot(beside[number]), name, points)
    return figure


def _titled(axes: Axes, name: str) -> Axes:
    """Axes for a picture."""
    axes.set(xticks=[], yticks=[])
    axes.set_title(name, loc="left", fontsize="medium", fontweight="bold")
    return axes


def _draw_coverage(axes: Axes, seen: NDArray[Any]) -> None:
    low, high = heat_range(seen) or (0.1, 1.0)
    axes.set_facecolor("black")
    shown = axes.imshow(seen, cmap="viridis", norm="log", vmin=low, vmax=high)
    # Within the axes, so that all pictures have one width.
    scale = axes.inset_axes((1.02, 0, 0.03, 1))
    axes.figure.colorbar(shown, cax=scale, label="black: unseen")


def _draw_curve(axes: Axes, name: str, points: list[tuple[int, float]]) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter  # noqa: PLC0415 - an extra

    axes.set(xlabel="iteration", yscale="log")
    axes.set_title(name, loc="left", fontsize="medium", fontweight="bold")
    marker = "o" if len(points) < FEW else ""
    axes.plot(*zip(*points, strict=True), color=LINE_COLOUR, marker=marker, markersize=4)
    axes.grid(visible=True, which="both", alpha=0.25)
    values = [value for _, value in points]
    plain = FuncFormatter(lambda value, _: _short(value))
    axes.yaxis.set_major_formatter(plain)
    is_short = max(values) < 10 * min(values)
    axes.yaxis.set_minor_formatter(plain if is_short else NullFormatter())
    axes.spines[["top", "right"]].set_visible(False)


def _facts(texels: Image, seen: Image, history: Sequence[Record], seconds: float) -> str:
    """One line of plain words."""
    height, width, _ = texels.shape
    last = history[-1]
    facts = [
        f"Environment map of {width} x {height} texels",
        f"{len(history)} iterations in {seconds:.1f} s",
        f"loss {last.loss:.4g}",
    ]
    if last.error is not None:
        facts.append(f"sum of squared errors {_short(last.error)}")
    facts.append(f"{(seen > 0).mean():.0%} of the texels seen")
    return ", ".join(facts)


def _curves(history: Sequence[Record]) -> list[tuple[str, list[tuple[int, float]]]]:
    """Name and (iteration, value) of what a logarithmic axis can show as a line."""
    curves = []
    for name, field in (("Loss", "loss"), ("Sum of squared errors of the map", "error")):
        values = [(record.index, getattr(record, field)) for record in history]
        points = [(k, v) for k, v in values if v is not None and np.isfinite(v) and v > 0]
        if len(points) > 1:
            curves.append((name, points))
    return curves


def _fitted(image: Image) -> Image:
    """Shrink an image that is wider than a picture may be."""
    height, width = image.shape[:2]
    if width <= 2 * WIDTH:
        return image
    smaller = max(2, round(height * 2 * WIDTH / width))
    return latlong.resample(image, smaller, 2 * WIDTH).astype(np.float32)


def _key(seen: Image) -> str:
    """The scale of the coverage, in words and colours."""
    ends = heat_range(seen)
    if ends is None:
        return "nothing is seen"
    colours = f"background:linear-gradient(to right, {STOPS})"
    ramp = f'<span style="display:inline-block;width:6em;height:.6em;{colours}"></span>'
    return f"{ends[0]:.3g} {ramp} {ends[1]:.3g}, black where there is none"


def _picture(pixels: NDArray[np.uint8], name: str, note: str = "") -> str:
    data = base64.b64encode(encode_png(pixels, compression=9)).decode()
    image = (
        f'<img src="data:image/png;base64,{data}" width="{WIDTH}" '
        f'style="display:block;border-radius:4px;background:#000" alt="{html.escape(name)}"/>'
    )
    return _panel(image, name, note)


def _panel(content: str, name: str, note: str = "") -> str:
    return (
        f'<figure style="margin:0;width:{WIDTH}px">{content}<figcaption style="font-size:85%">'
        f"<b>{html.escape(name)}</b> {note}</figcaption></figure>"
    )


def _short(value: float) -> str:
    """A number as the report writes it, to three digits below 1000."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _svg(points: list[tuple[int, float]]) -> str:
    """A line against a logarithmic axis, its extremes labelled; text takes the page's colour."""
    chosen = points[:: -(-len(points) // MAX_POINTS)]
    if chosen[-1] != points[-1]:
        chosen.append(points[-1])
    x, y = np.array(chosen, np.float64).T
    low, high = y.min(), y.max()
    across = 60 + (WIDTH - 70) * (x - x[0]) / (x[-1] - x[0])
    span = np.log(high / low) or 1.0
    down = 12 + (CURVE_HEIGHT - 38) * np.log(high / y) / span
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, down, strict=True))
    bottom = CURVE_HEIGHT - 26
    labels = [
        (54, 16, "end", _short(high)),
        (54, bottom + 4, "end", _short(low)),
        (60, CURVE_HEIGHT - 6, "start", f"{int(x[0])}"),
        (WIDTH - 10, CURVE_HEIGHT - 6, "end", f"{int(x[-1])}"),
    ]
    texts = "".join(
        f'<text x="{a}" y="{b}" text-anchor="{anchor}" font-size="11" fill="currentColor">'
        f"{words}</text>"
        for a, b, anchor, words in labels
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{CURVE_HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {CURVE_HEIGHT}" role="img">'
        f'<path d="M60,8V{bottom + 4}H{WIDTH - 10}" fill="none" stroke="currentColor" '
        f'opacity="0.4"/><polyline points="{line}" fill="none" stroke="{LINE_COLOUR}" '
        f'stroke-width="1.5"/>{texts}</svg>'
    )
