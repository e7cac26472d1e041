"""Write the files of ranked views: maps, and a picture to look at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from envmap_inverse.errors import cannot_write
from envmap_inverse.images import (
    Uint8Image,
    display_exposure,
    encode_png,
    tonemap,
    write_bytes,
    write_image,
)
from envmap_inverse.images.false_colours import false_colours
from envmap_inverse.planning.information import Information
from envmap_inverse.planning.ranking import ViewCoverage

__all__ = ["write_coverage"]

PANEL_HEIGHT, CAPTION_HEIGHT, MARGIN = 160, 28, 10
BACKGROUND, TEXT = 24, 230
LEGEND = (5.0, 3.0, 2.0, 1.7, 1.4)
"""Factors to which texels are known, in the legend; the first and anything above it is shown
darkest, the last and anything below it brightest."""


def write_coverage(folder: Path, views: Sequence[ViewCoverage]) -> None:
    """Write `coverage.png`, `deviation.exr` for all views, and `coverage_K.exr` for each sensor K.

    Raises:
        InputError: if the folder cannot be written.
        OSError: if the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for view in views:
            write_image(folder / f"coverage_{view.sensor}.exr", view.coverage)
        write_image(folder / "deviation.exr", views[-1].together.deviation)
        write_bytes(folder / "coverage.png", encode_png(_picture(views)))
    except OSError as error:
        raise cannot_write(f"-o {folder}", error) from None


def _picture(views: Sequence[ViewCoverage]) -> Uint8Image:
    """Draw a row per view: its image, what it reveals alone, and together with those above it."""
    images, alone, together = list[Uint8Image](), list[Uint8Image](), list[Uint8Image]()
    for view in views:
        shown = tonemap(view.image, display_exposure(view.image))
        images.append(_panel(shown, f"sensor {view.sensor}"))
        alone.append(_panel(_coloured(view.alone.log_deviation), f"alone {_words(view.alone)}"))
        words = f"with those above {_words(view.together)}"
        together.append(_panel(_coloured(view.together.log_deviation), words))
    columns = [_joined(panels, axis=0) for panels in (images, alone, together)]
    picture = _joined([_joined(columns, axis=1), _legend()], axis=0)
    return np.pad(picture, ((0, 0), (MARGIN, 0), (0, 0)), constant_values=BACKGROUND)


def _words(information: Information) -> str:
    share, factor = 100 * information.seen_share, math.exp(information.median_deviation)
    return f"sees {share:.0f} %, to a factor of {factor:.2f}"


def _coloured(log_deviation: NDArray[np.float32]) -> Uint8Image:
    """Colour a map (H, W, 3): dark where little is known, bright where the deviation is small."""
    worst, best = math.log(LEGEND[0]), math.log(LEGEND[-1])
    known = (worst - log_deviation.mean(axis=2)) / (worst - best)
    return false_colours(known).astype(np.uint8)


def _legend() -> Uint8Image:
    logs = [np.full((1, 4, 3), math.log(factor), np.float32) for factor in LEGEND]
    patches = [_coloured(each) for each in logs]
    return _joined(
        [_panel(p, f"a factor of {f:g}", 12) for p, f in zip(patches, LEGEND, strict=True)], axis=1
    )


def _panel(picture: Uint8Image, caption: str, height: int = PANEL_HEIGHT) -> Uint8Image:
    """Scale a picture to a height and put a caption above it."""
    font = ImageFont.load_default(size=15)
    width = max(round(picture.shape[1] * height / picture.shape[0]), 1)
    panel = Image.new("L", (max(width, int(font.getlength(caption))), CAPTION_HEIGHT), BACKGROUND)
    ImageDraw.Draw(panel).text((0, CAPTION_HEIGHT // 2), caption, TEXT, font, anchor="lm")
    scaled = Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR)
    return _joined([np.asarray(panel.convert("RGB")), np.asarray(scaled)], axis=0, margin=0)


def _joined(panels: Sequence[Uint8Image], axis: int, margin: int = MARGIN) -> Uint8Image:
    """Join panels, one below the other (axis 0) or side by side (axis 1)."""
    widest = max(panel.shape[1 - axis] for panel in panels)
    padded = []
    for panel in panels:
        padding = [(0, 0)] * 3
        padding[axis], padding[1 - axis] = (0, margin), (0, widest - panel.shape[1 - axis])
        padded.append(np.pad(panel, padding, constant_values=BACKGROUND))
    return np.concatenate(padded, axis=axis)
