"""Compose the page. Every section takes any number of runs; a report compares a single one."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from envmap_inverse.images import shrink, tonemap
from envmap_inverse.report import response, tables
from envmap_inverse.report.lamps import LampsPane, lamps_pane
from envmap_inverse.report.pictures import (
    DIFFERENCE_GAIN,
    MAX_PIXELS,
    SIGMAS,
    Heat,
    Raster,
    Sheet,
    difference,
    jpeg,
    marked,
    residual,
)
from envmap_inverse.report.places import places
from envmap_inverse.report.spheres import STILL_SIZE, balls, still_view
from envmap_inverse.run.reading import Image, Run
from envmap_inverse.version import __version__

if TYPE_CHECKING:
    import jinja2

__all__ = ["page"]

MAX_HISTORY = 2000
STYLES = ("vendor/uPlot.min.css", "page.css")
SCRIPTS = (
    "vendor/uPlot.iife.min.js",
    "rasters.js",
    "panes.js",
    "spheres.js",
    "curves.js",
    "scrubber.js",
    "samples.js",
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
        run: number of the run that it belongs to.
    """

    caption: str
    picture: str
    size: tuple[int, int]
    raster: str
    minus: str | None = None
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


def page(runs: Sequence[Run]) -> str:
    """The HTML of a page that shows one run, or compares several.

    The page stands alone: a content security policy forbids any request, and allows only its own
    scripts and styles, by their hashes. Text from files is escaped.
    """
    names = tables.names(runs)
    exposure = float(runs[0].summary["exposure"])
    rasters = _Rasters(len(runs) if len(runs) > 1 else max(len(runs[0].pictures), 1))
    maps = list(_maps(runs, names))
    styles, scripts = ([_resource(name) for name in group] for group in (STYLES, SCRIPTS))
    data = {
        "exposure": exposure,
        "gain": DIFFERENCE_GAIN,
        "runs": [
            {
                "name": name,
                "history": _thinned(run),
                "frames": _frames(run),
            }
            for run, name in zip(runs, names, strict=True)
        ],
    }
    return _template().render(
        version=__version__,
        policy=_policy(styles, scripts),
        styles=[Markup(text) for text in styles],
        scripts=[Markup(text) for text in scripts],
        licence=Markup(_resource("vendor/uPlot.LICENSE")),
        title=names[0] if len(runs) == 1 else f"{len(runs)} runs compared",
        names=names,
        runs=runs,
        tables=tables,
        response_lines=response.response_lines,
        response_size=(response.WIDTH, response.HEIGHT, response.STOPS),
        exposures_found=response.exposures_found,
        places=places,
        pictures=list(_pictures(runs, names, rasters, exposure)),
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
        residuals=_residuals(runs),
        outliers=list(_outliers(runs, exposure)),
        gain=DIFFERENCE_GAIN,
        sigmas=SIGMAS,
        still_size=STILL_SIZE,
        rasters=rasters.named,
        data=Markup(_json(data)),
    )


def _pictures(
    runs: Sequence[Run], names: list[str], rasters: _Rasters, exposure: float
) -> Iterator[Pane]:
    """Every reference, fit and difference of one run, or the first ones of several runs."""
    if len(runs) == 1:
        for number, (reference, fit) in enumerate(runs[0].pictures, 1):
            of = f" {number}" if len(runs[0].pictures) > 1 else ""
            yield _pane(f"Reference{of}", reference, rasters, exposure)
            yield _pane(f"Fit{of}", fit, rasters, exposure, run=0)
            yield _difference(f"Difference{of}", reference, fit, rasters, exposure, run=0)
        return
    pairs = [run.pictures[0] for run in runs]
    for number in _first_of_equals([reference for reference, _ in pairs]):
        caption = f"Reference of {names[number]}" if number else "Reference"
        yield _pane(caption, pairs[number][0], rasters, exposure)
    for number, (_, fit) in enumerate(pairs):
        yield _pane(f"Fit, {names[number]}", fit, rasters, exposure, run=number)
    for number, pair in enumerate(pairs):
        yield _difference(f"Difference, {names[number]}", *pair, rasters, exposure, run=number)


def _samples(runs: Sequence[Run]) -> list[tuple[int, Sheet]]:
    """Numbers of the runs that have maps drawn at random, and these."""
    return [
        (number, Sheet.of(run.thumbnails.samples))
        for number, run in enumerate(runs)
        if run.thumbnails is not None and len(run.thumbnails.samples) > 1
    ]


def _residuals(runs: Sequence[Run]) -> list[tuple[str, str, tuple[int, int]]]:
    """Caption, data URI and size of each residual of a single run."""
    found = runs[0].residuals if len(runs) == 1 else []
    pictures = [residual(values) for values in found]
    return [
        (f"Residual{f' {number}' if len(found) > 1 else ''}", jpeg(shown), shown.shape[1::-1])
        for number, shown in enumerate(pictures, 1)
    ]


def _outliers(runs: Sequence[Run], exposure: float) -> Iterator[tuple[str, str, tuple[int, int]]]:
    """Caption, data URI and size of each picture with outliers of a single run."""
    for number, mask in runs[0].outliers.items() if len(runs) == 1 else ():
        shown = marked(tonemap(_small(runs[0].pictures[number][0]), exposure), mask)
        of = f" of picture {number + 1}" if len(runs[0].pictures) > 1 else ""
        share = 100 * runs[0].summary["outlier_share"][number]
        yield f"Outliers{of}: {share:.2g} % of its pixels", jpeg(shown), shown.shape[1::-1]


def _maps(runs: Sequence[Run], names: list[str]) -> Iterator[_Map]:
    """True maps, those by geometry alone, then recovered ones."""
    for number in _first_of_equals([run.ground_truth for run in runs]):
        truth = runs[number].ground_truth
        if truth is not None:
            caption = f"Truth of {names[number]}" if number else "Truth"
            yield _Map(caption=caption, texels=truth, run=None)
    for number in _first_of_equals([run.unwrap for run in runs]):
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
    truth = None if run is None else run.ground_truth
    if truth is not None and truth.shape != shown.texels.shape:
        truth = None
    return MapPane(
        **vars(pane),
        still=jpeg(tonemap(still_view(shown.texels), exposure)),
        lights=tables.lights(shown.texels),
        heats={name: heat for name, heat in heats.items() if heat is not None},
        deviation=None if run is None or run.deviation is None else rasters.name(run.deviation),
        truth=None if truth is None else rasters.name(truth),
        error=None
        if truth is None
        else jpeg(difference(_small(shown.texels), _small(truth), exposure)),
    )


def _lamps(shown: _Map, runs: Sequence[Run], exposure: float) -> LampsPane:
    path = None if shown.run is None else runs[shown.run].path
    folder = path if path is not None and path.is_dir() else None
    return lamps_pane(shown.caption, shown.texels, folder, exposure)


def _first_of_equals(images: Sequence[Image | None]) -> list[int]:
    """Numbers of the images that equal none before them."""
    return [
        number
        for number, image in enumerate(images)
        if not any(np.array_equal(image, earlier) for earlier in images[:number])  # type: ignore[arg-type]
    ]


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
    caption: str, reference: Image, fit: Image, rasters: _Rasters, exposure: float, *, run: int
) -> Pane:
    signed = difference(_small(fit), _small(reference), exposure)
    return Pane(
        caption=caption,
        picture=jpeg(signed),
        size=(signed.shape[1], signed.shape[0]),
        raster=rasters.name(fit),
        minus=rasters.name(reference),
        run=run,
    )


def _frames(run: Run) -> list[int]:
    return [] if run.thumbnails is None else [int(index) for index in run.thumbnails.indices]


def _thinned(run: Run) -> list[dict[str, Any]]:
    """The history; a long one is thinned, keeping the last line and lines with thumbnails."""
    step = math.ceil(len(run.history) / MAX_HISTORY) or 1
    kept = {*range(0, len(run.history), step), len(run.history) - 1, *_frames(run)}
    return [line for number, line in enumerate(run.history) if number in kept]


def _small(image: Image) -> Image:
    return shrink(image, MAX_PIXELS)


def _json(value: Any) -> str:
    """JSON that is safe in a script element, which `</script` would end."""
    return json.dumps(value).replace("<", "\\u003c")


def _policy(styles: Sequence[str], scripts: Sequence[str]) -> str:
    """The content security policy: no requests, and no scripts or styles but these."""
    allowed = {"style-src": styles, "script-src": scripts}
    rules = [f"{key} {' '.join(map(_hash, texts))}" for key, texts in allowed.items()]
    return "; ".join(
        ["default-src 'none'", "img-src data:", *rules, "base-uri 'none'", "form-action 'none'"]
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@functools.cache
def _resource(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


@functools.cache
def _template() -> jinja2.Template:
    import jinja2  # noqa: PLC0415 - only pages need it

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = tables.number
    return environment.from_string(_resource("page.html"))
