"""Compose the page. Every section takes any number of runs; a report compares a single one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

from envmap_inverse.images import shrink, tonemap
from envmap_inverse.images.false_colours import VIRIDIS
from envmap_inverse.report import figures, repeating, response, tables
from envmap_inverse.report.comparing import cautions, first_of_equals, loss_kinds
from envmap_inverse.report.figures import counted, files_beside, link_to_report
from envmap_inverse.report.lamps import LampsPane, lamps_pane
from envmap_inverse.report.phases import phases, workers_in_words
from envmap_inverse.report.pictures import (
    DIFFERENCE_GAIN,
    MAX_PIXELS,
    SIGMAS,
    Heat,
    Raster,
    Sheet,
    difference,
    jpeg,
)
from envmap_inverse.report.places import places
from envmap_inverse.report.shots import NOISE, file_names, is_relative, shots, white
from envmap_inverse.report.spheres import STILL_SIZE, balls, still_view
from envmap_inverse.report.standalone import frame_of, safe_json, template
from envmap_inverse.report.stills import outlier_stills, residual_stills
from envmap_inverse.run.reading import Image, Run

__all__ = ["page"]

MAX_HISTORY = 2000
STILL_PIXELS = 2**16
"""Largest picture where scripts are off."""
STYLES = ("vendor/uPlot.min.css", "page.css")
SCRIPTS = (
    "vendor/uPlot.iife.min.js",
    "rasters.js",
    "canvases.js",
    "gestures.js",
    "panes.js",
    "grid.js",
    "spheres.js",
    "curves.js",
    "histogram.js",
    "scrubber.js",
    "samples.js",
    "theme.js",
    "page.js",
)


@dataclass(frozen=True, kw_only=True)
class Pane:
    """A picture that the page's scripts show by its radiance.

    Attributes:
        caption: words above it.
        picture: data URI of the picture shown without scripts.
        size: width and height of that picture, in pixels.
        raster: name of its radiance.
        minus: name of the radiance subtracted from it.
        counts: name of what says where that counts; None if everywhere.
        white: of that, the values from which red, green and blue are clipped.
        file: name of the file that it was read from.
        run: number of the run that it belongs to.
    """

    caption: str
    picture: str
    size: tuple[int, int]
    raster: str
    minus: str | None = None
    counts: str | None = None
    white: tuple[float, float, float] | None = None
    file: str | None = None
    run: int | None = None


@dataclass(frozen=True, kw_only=True)
class MapPane(Pane):
    """A latlong map.

    Attributes:
        still: data URI of a view into it.
        heats: coverage and deviation, by their names on the page.
        deviation: name of the deviation's raster.
        truth: name of the true map's raster.
        error: data URI of the difference from the true map.
        lights: its brightest lights.
    """

    still: str
    lights: list[tables.Light]
    heats: dict[str, Heat]
    deviation: str | None
    truth: str | None
    error: str | None


@dataclass(frozen=True, kw_only=True, eq=False)
class _Map:
    """A true map, which belongs to no run, or a recovered one."""

    caption: str
    texels: Image
    run: int | None


class _Rasters:
    """The radiance of the page's pictures, each stored once."""

    def __init__(self, num_fits: int) -> None:
        self.named: dict[str, Raster] = {}
        # Keep pages of several runs or pictures small enough to be mailed.
        self._max_pixels = MAX_PIXELS // num_fits

    def name(self, image: Image) -> str:
        """Store a picture's radiance, and return its name on the page."""
        raster = Raster.of(image, self._max_pixels)
        for name, known in self.named.items():
            if known == raster:
                return name
        name = f"raster-{len(self.named)}"
        self.named[name] = raster
        return name


def page(runs: Sequence[Run], folder: Path) -> str:
    """The HTML of a page that shows one run, or compares several.

    The page stands alone: a content security policy forbids any request, and allows only its own
    scripts and styles, by their hashes. Text from files is escaped.

    Args:
        runs: what it shows.
        folder: where it lies; it has links to the files of a single run that lie there, too.
    """
    names = tables.names(runs)
    exposure = float(runs[0].summary["exposure"])
    rasters = _Rasters(len(runs) if len(runs) > 1 else max(len(runs[0].pictures), 1))
    maps = list(_maps(runs, names))
    data = {
        "exposure": exposure,
        "gain": DIFFERENCE_GAIN,
        "ramp": VIRIDIS.tolist(),
        "runs": [
            {
                "name": name,
                "lossKind": kind,
                "history": _thinned(run),
                "frames": _frames(run),
            }
            for run, name, kind in zip(runs, names, loss_kinds(runs), strict=True)
        ],
    }
    return template("page.html").render(
        **frame_of(STYLES, SCRIPTS),
        title=names[0] if len(runs) == 1 else f"{len(runs)} runs compared",
        names=names,
        runs=runs,
        tables=tables,
        repeating=repeating,
        figures=figures,
        files=files_beside(runs[0].path, folder) if len(runs) == 1 else [],
        shots=shots,
        noise_in_words=NOISE,
        glance=list(_glance(runs, rasters, exposure)),
        response=response,
        bars=phases([run.summary for run in runs if run.pictures]),
        workers=[workers_in_words(run.summary) for run in runs if run.pictures],
        is_relative=any(is_relative(run.summary) for run in runs),
        reports=[link_to_report(run.path, folder) for run in runs],
        places=places,
        pictures=list(_pictures(runs, names, rasters, exposure)),
        cautions=list(cautions(runs)),
        loss_kinds=loss_kinds(runs),
        curves=any(run.history for run in runs),
        maps=[_map_pane(shown, runs, rasters, exposure) for shown in maps],
        lamps=[_lamps(shown, runs, exposure) for shown in maps],
        balls=[
            _pane(shown.caption, balls(shown.texels), rasters, exposure, run=shown.run)
            for shown in maps
        ],
        sheets={
            number: [Sheet.of(kept.images), Sheet.of(kept.envmaps)]
            for number, kept in enumerate(run.thumbnails for run in runs)
            if kept is not None
        },
        samples=_samples(runs),
        residuals=residual_stills(runs),
        outliers=list(outlier_stills(runs, exposure)),
        gain=DIFFERENCE_GAIN,
        sigmas=SIGMAS,
        still_size=STILL_SIZE,
        rasters=rasters.named,
        data=Markup(safe_json(data)),
    )


def _pictures(
    runs: Sequence[Run], names: list[str], rasters: _Rasters, exposure: float
) -> Iterator[Pane]:
    """Every reference, fit and difference of one run, or the first ones of several runs."""
    if len(runs) == 1:
        files = file_names(runs[0].summary)
        for number, (reference, fit) in enumerate(runs[0].pictures, 1):
            of = f" {number}" if len(runs[0].pictures) > 1 else ""
            shown = _pane(f"Reference{of}", reference, rasters, exposure)
            yield replace(shown, file=files[number - 1] if files else None)
            yield _pane(f"Fit{of}", fit, rasters, exposure, run=0)
            yield _difference(f"Difference{of}", runs, (0, number - 1), rasters, exposure)
        return
    pairs = [run.pictures[0] for run in runs]
    for number in first_of_equals([reference for reference, _ in pairs]):
        caption = f"Reference of {names[number]}" if number else "Reference"
        yield _pane(caption, pairs[number][0], rasters, exposure)
    for number, (_, fit) in enumerate(pairs):
        yield _pane(f"Fit, {names[number]}", fit, rasters, exposure, run=number)
    for number, name in enumerate(names):
        yield _difference(f"Difference, {name}", runs, (number, 0), rasters, exposure)


def _glance(runs: Sequence[Run], rasters: _Rasters, exposure: float) -> Iterator[Pane]:
    """The map of a single run, and the picture of which the least is clipped beside its fit."""
    if len(runs) > 1 or not runs[0].pictures:
        return
    shares = [s["over"] + s["under"] for s in runs[0].summary.get("clipped_share") or ()]
    known = shares[: len(runs[0].pictures)]
    reference, fit = runs[0].pictures[known.index(min(known)) if known else 0]
    shown = {"Recovered map": runs[0].envmap, "Reference": reference, "Fit": fit}
    for caption, image in shown.items():
        small = tonemap(shrink(image, STILL_PIXELS), exposure)
        size = small.shape[1], small.shape[0]
        yield Pane(caption=caption, picture=jpeg(small), size=size, raster=rasters.name(image))


def _samples(runs: Sequence[Run]) -> list[tuple[int, Sheet]]:
    """Numbers of the runs that have maps drawn at random, and these."""
    return [
        (number, Sheet.of(run.thumbnails.samples))
        for number, run in enumerate(runs)
        if run.thumbnails is not None and len(run.thumbnails.samples) > 1
    ]


def _maps(runs: Sequence[Run], names: list[str]) -> Iterator[_Map]:
    """True maps, those by geometry alone, then recovered ones."""
    for number in first_of_equals([run.ground_truth for run in runs]):
        truth = runs[number].ground_truth
        if truth is not None:
            caption = f"Truth of {names[number]}" if number else "Truth"
            yield _Map(caption=caption, texels=truth, run=None)
    for number in first_of_equals([run.unwrap for run in runs]):
        plain = runs[number].unwrap
        if plain is not None:
            of_run = f" of {names[number]}" if number else ""
            yield _Map(caption=f"Unwrapped by geometry alone{of_run}", texels=plain, run=None)
    for number, run in enumerate(runs):
        caption = "Recovered" if len(runs) == 1 else f"Recovered, {names[number]}"
        yield _Map(caption=caption, texels=run.envmap, run=number)


def _map_pane(shown: _Map, runs: Sequence[Run], rasters: _Rasters, exposure: float) -> MapPane:
    pane = _pane(shown.caption, shown.texels, rasters, exposure, run=shown.run)
    run = None if shown.run is None else runs[shown.run]
    quantities = {} if run is None else {"coverage": run.coverage, "deviation": run.deviation}
    heats = {name: Heat.of(values) for name, values in quantities.items() if values is not None}
    known = None if run is None else run.ground_truth
    truth = known if known is not None and known.shape == shown.texels.shape else None
    return MapPane(
        **vars(pane),
        still=jpeg(tonemap(still_view(shown.texels), exposure)),
        lights=tables.lights(shown.texels, known),
        heats={name: heat for name, heat in heats.items() if heat is not None},
        deviation=None if run is None or run.deviation is None else rasters.name(run.deviation),
        truth=None if truth is None else rasters.name(truth),
        error=None
        if truth is None
        else jpeg(difference(_small(shown.texels), _small(truth), exposure)),
    )


def _lamps(shown: _Map, runs: Sequence[Run], exposure: float) -> LampsPane:
    run = None if shown.run is None else runs[shown.run]
    folder = run.path if run is not None and run.path.is_dir() else None
    truth = None if run is None else run.ground_truth
    return lamps_pane(shown.caption, shown.texels, folder, exposure, truth)


def _pane(
    caption: str, image: Image, rasters: _Rasters, exposure: float, *, run: int | None = None
) -> Pane:
    shown = tonemap(_small(image), exposure)
    return Pane(
        caption=caption,
        picture=jpeg(shown),
        size=(shown.shape[1], shown.shape[0]),
        raster=rasters.name(image),
        run=run,
    )


def _difference(
    caption: str,
    runs: Sequence[Run],
    place: tuple[int, int],
    rasters: _Rasters,
    exposure: float,
) -> Pane:
    """The difference of a picture and its fit; `place` has the numbers of the run and picture."""
    number, picture = place
    reference, fit = runs[number].pictures[picture]
    clipped, counts = white(runs[number], picture), counted(runs[number], picture)
    shown = None if counts is None else _small(counts)
    signed = difference(_small(fit), _small(reference), exposure, clipped, shown)
    return Pane(
        caption=caption,
        picture=jpeg(signed),
        size=(signed.shape[1], signed.shape[0]),
        raster=rasters.name(fit),
        minus=rasters.name(reference),
        counts=None if counts is None else rasters.name(counts),
        white=clipped,
        run=number,
    )


def _frames(run: Run) -> list[int]:
    return [] if run.thumbnails is None else [int(index) for index in run.thumbnails.indices]


def _thinned(run: Run) -> list[dict[str, Any]]:
    """The history; a long one is thinned, keeping the last line and lines with thumbnails."""
    step = math.ceil(len(run.history) / MAX_HISTORY) or 1
    kept = {*range(0, len(run.history), step), len(run.history) - 1, *_frames(run)}
    return [line for number, line in enumerate(run.history) if number in kept]


def _small(image: Image) -> Image:
    return shrink(image, STILL_PIXELS)
