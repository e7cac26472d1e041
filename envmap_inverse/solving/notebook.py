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
DECADES = 4
"""Coverage is shown from its largest value down to 10^-DECADES of it."""

LOSS_COLOUR, ERROR_COLOUR = "#3f7fc4", "#c9662f"


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
        _picture(tonemap(_fitted(texels), display_exposure(texels)), "recovered map"),
        _picture(
            _gray(_fitted(seen)), f"coverage, logarithmic over {DECADES} decades; black is unseen"
        ),
    ]
    for name, colour, points in _curves(history):
        panels.append(_panel(_svg(points, colour), f"{name}, logarithmic, against iteration"))
    facts = _facts(texels, seen, history, seconds)
    if status != "done":
        facts = f"{facts}; {status}"
    return (
        f"<div><p>{html.escape(facts)}</p>"
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
    maps = {"recovered map": texels}
    if ground_truth is not None:
        maps["ground truth"] = ground_truth
    exposure = display_exposure(list(maps.values())[-1])
    curves = _curves(history)
    rows, columns = len(maps) + 1, 2 if curves else 1
    figure = Figure(figsize=(4 * columns, 2.1 * rows), layout="constrained")
    grid = figure.add_gridspec(rows, columns, width_ratios=(5, 4)[:columns])
    for row, (name, image) in enumerate(maps.items()):
        axes = figure.add_subplot(grid[row, 0], title=name, xticks=[], yticks=[])
        axes.imshow(tonemap(image, exposure))
    _draw_coverage(figure.add_subplot(grid[-1, 0], title="coverage"), coverage.mean(axis=2))
    if curves:
        beside = grid[:, 1].subgridspec(len(curves), 1)
        for number, (name, colour, points) in enumerate(curves):
            axes = figure.add_subplot(beside[number], title=name, xlabel="iteration", yscale="log")
            axes.plot(*zip(*points, strict=True), color=colour)
            axes.grid(visible=True, alpha=0.3)
    return figure


def _draw_coverage(axes: Axes, seen: NDArray[Any]) -> None:
    top = float(seen.max()) or 1.0
    axes.set(xticks=[], yticks=[], facecolor="black")
    shown = axes.imshow(seen, cmap="viridis", norm="log", vmin=top / 10**DECADES, vmax=top)
    axes.figure.colorbar(shown, ax=axes, pad=0.02, label="black: unseen")


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
        facts.append(f"sum of squared errors {last.error:.4g}")
    facts.append(f"{(seen > 0).mean():.0%} of the texels seen")
    return ", ".join(facts)


def _curves(history: Sequence[Record]) -> list[tuple[str, str, list[tuple[int, float]]]]:
    """Name, colour and (iteration, value) of what a logarithmic axis can show as a line."""
    curves = []
    for name, field, colour in (
        ("loss", "loss", LOSS_COLOUR),
        ("error of the map", "error", ERROR_COLOUR),
    ):
        values = [(record.index, getattr(record, field)) for record in history]
        points = [(k, v) for k, v in values if v is not None and np.isfinite(v) and v > 0]
        if len(points) > 1:
            curves.append((name, colour, points))
    return curves


def _fitted(image: Image) -> Image:
    """Shrink an image that is wider than a picture may be."""
    height, width = image.shape[:2]
    if width <= 2 * WIDTH:
        return image
    smaller = max(2, round(height * 2 * WIDTH / width))
    return latlong.resample(image, smaller, 2 * WIDTH).astype(np.float32)


def _gray(seen: Image) -> NDArray[np.uint8]:
    """Coverage as brightness; what is seen at all is not black."""
    top = float(seen.max()) or 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        level = 1 + np.log10(seen / top) / DECADES
    shown = np.where(seen > 0, 40 + 215 * np.clip(level, 0, 1), 0)
    return np.repeat(shown.astype(np.uint8), 3, axis=2)


def _picture(pixels: NDArray[np.uint8], caption: str) -> str:
    data = base64.b64encode(encode_png(pixels, compression=9)).decode()
    image = (
        f'<img src="data:image/png;base64,{data}" width="{WIDTH}" alt="{html.escape(caption)}"/>'
    )
    return _panel(image, caption)


def _panel(content: str, caption: str) -> str:
    return (
        f'<figure style="margin:0">{content}'
        f'<figcaption style="font-size:85%">{html.escape(caption)}</figcaption></figure>'
    )


def _svg(points: list[tuple[int, float]], colour: str) -> str:
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
        (54, 16, "end", f"{high:.3g}"),
        (54, bottom + 4, "end", f"{low:.3g}"),
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
        f'opacity="0.4"/><polyline points="{line}" fill="none" stroke="{colour}" '
        f'stroke-width="1.5"/>{texts}</svg>'
    )
