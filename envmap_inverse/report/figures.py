"""The headline figures of a page, what each is, and the files beside the page."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.image_metrics import ldr_flip, mse
from envmap_inverse.images import shrink, tonemap
from envmap_inverse.metrics import NAMES
from envmap_inverse.report.numbers import number
from envmap_inverse.report.pictures import MAX_PIXELS
from envmap_inverse.run.reading import Run
from envmap_inverse.solving import layout

__all__ = [
    "LINKED",
    "WORDS",
    "Figure",
    "counted",
    "date",
    "files_beside",
    "key_figures",
    "link_to_report",
]

LINKED = (
    *(layout.ENVMAP, layout.ENVMAP_PNG, layout.DEVIATION, layout.COVERAGE, layout.SEEN),
    *(
        layout.GROUND_TRUTH,
        layout.UNWRAP,
        layout.render(0),
        layout.RENDER_PNG,
        layout.SUMMARY,
        layout.HISTORY,
    ),
    *(layout.SETTINGS, layout.RESPONSE, layout.VIDEO, layout.SEQUENCE_VIDEO, layout.LIGHTS),
)
"""Files of a run that its page has links to."""

PSNR, FLIP, CHI2, HELD_OUT, SEEN, WAIT, LOSS = (
    *("PSNR of the fit (dB)", "FLIP of the fit", "chi2", "chi2 of pixels held out"),
    *("of the texels are seen", "seconds in all", "last loss"),
)
KEY_METRICS = ("log_rmse", "angular_mean_deg", "sse")

WORDS: Mapping[str, str] = MappingProxyType(
    {
        PSNR: "peak signal-to-noise ratio of the fit, over the pixels that count, as the page "
        "shows them; higher is better",
        FLIP: "how visible the difference of the picture and its fit is to one who alternates "
        "between them, as the page shows them, from 0 to 1; lower is better",
        CHI2: "mean square of the residuals over the variance to be expected; 3 % of the light are "
        "excused; good is about 1 or below",
        HELD_OUT: "the same for pixels that the map was not fitted to; good is 1, within a few "
        "times the spread that chance allows",
        SEEN: "share of the texels that a path from a pixel reaches; higher is better, and the "
        "rest is filled in",
        WAIT: "the whole wait, from the start of the command to its last file; lower is better",
        NAMES["log_rmse"]: "with a true map: error of the logarithm of radiance over the sphere; "
        "0.1 is about 10 %; lower is better",
        NAMES["angular_mean_deg"]: "with a true map: angle between true and found colours; lower "
        "is better",
        NAMES["sse"]: "with a true map: the tutorial's measure, ruled by the brightest lamps; "
        "lower is better",
        LOSS: "what the optimizer made small, in the units of its loss; compares runs of the same "
        "loss only; lower is better",
    }
)
"""What each figure is; docs/report.md has the same words."""


class Figure(NamedTuple):
    """A number on the page.

    Attributes:
        label: its name, a key of `WORDS`.
        value: as text.
    """

    label: str
    value: str


def key_figures(run: Run) -> list[Figure]:
    """The most important numbers of a run."""
    summary = run.summary
    found = []
    if run.pictures:
        psnr, flip = _errors_of_fit(run)
        found += [Figure(PSNR, number(psnr)), Figure(FLIP, number(flip))]
    if fit := summary.get("fit"):
        found.append(Figure(CHI2, number(fit["chi2"])))
    if summary["seen_share"] is not None:
        found.append(Figure(SEEN, f"{100 * summary['seen_share']:.1f} %"))
    if run.pictures:
        found.append(Figure(WAIT, number(summary["seconds"]["total"])))
    metrics = summary["metrics"]
    return found + [
        Figure(NAMES[name], number(metrics[name])) for name in KEY_METRICS if name in metrics
    ]


def _errors_of_fit(run: Run) -> tuple[float | None, float]:
    """PSNR (None without errors) and FLIP of all pictures together, as the page shows them."""
    exposure, squares, flips, num_pixels = float(run.summary["exposure"]), 0.0, 0.0, 0
    for index, pair in enumerate(run.pictures):
        reference, fit = (tonemap(shrink(image, MAX_PIXELS), exposure) / 255.0 for image in pair)
        counts = _counts(run, index, reference.shape[:2])
        count = int(counts.sum())
        squares += count * mse(fit, reference, mask=counts)
        flips += count * ldr_flip(fit, reference, mask=counts)
        num_pixels += count
    psnr = 10 * math.log10(num_pixels / squares) if squares else None
    return psnr, flips / num_pixels


def counted(run: Run, index: int) -> NDArray[np.float32] | None:
    """1 where pixels of a picture have residuals, else 0, shape (h, w, 3); None if all have."""
    reference, _ = run.pictures[index]
    found = run.residuals[index] if index < len(run.residuals) else None
    if found is None or found.shape != reference.shape or not found.any():
        return None
    has_any = np.any(found, axis=2, keepdims=True)
    return None if has_any.all() else np.repeat(has_any, 3, axis=2).astype(np.float32)


def _counts(run: Run, index: int, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which pixels of a picture, shrunk to a shape, count."""
    found = counted(run, index)
    if found is None:
        return np.ones(shape, bool)
    return np.asarray(shrink(found, MAX_PIXELS)[..., 0] > 0.5)


def date(folder: Path) -> str:
    """When the run of a folder ended; empty if it is none."""
    summary = folder / layout.SUMMARY
    if not summary.is_file():
        return ""
    return f"{datetime.fromtimestamp(summary.stat().st_mtime).astimezone():%Y-%m-%d, %H:%M}"


def link_to_report(folder: Path, page_folder: Path) -> str:
    """Relative address of a run's own report, seen from a page's folder; empty if it has none."""
    report = folder.resolve() / layout.REPORT
    return quote(os.path.relpath(report, page_folder.resolve())) if report.is_file() else ""


def files_beside(folder: Path, page_folder: Path) -> list[tuple[str, str]]:
    """Names of a run's files that lie in the folder of the page, and their relative addresses."""
    if folder.resolve() != page_folder.resolve():
        return []
    return [(name, quote(name)) for name in LINKED if (folder / name).is_file()]
