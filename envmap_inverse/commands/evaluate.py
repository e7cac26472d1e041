"""`envmap-inverse evaluate`."""

from __future__ import annotations

import enum
import shlex
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import ArrayLike, NDArray
from rich.table import Table

from envmap_inverse.console.options import (
    RowConvention,
    TrustInput,
    check_page,
    given_files,
    panelled,
)
from envmap_inverse.console.output import note, say, say_table
from envmap_inverse.console.parsing import faults_of, report_if_incomplete
from envmap_inverse.console.progress import PlainProgress
from envmap_inverse.errors import InputError
from envmap_inverse.guard.reader import read_apart
from envmap_inverse.metrics import NAMES, compare_maps
from envmap_inverse.protocols import relighting, three_spheres
from envmap_inverse.report import write_evaluation
from envmap_inverse.scene.envmap import read_map
from envmap_inverse.sphere.latlong import resample
from envmap_inverse.sphere.projections import AngularMap, Cube, Latlong, MirrorBall
from envmap_inverse.sphere.reproject import reproject
from envmap_inverse.system.progress import is_watched, stage, watched_by
from envmap_inverse.system.strict_json import to_json

__all__ = ["evaluate"]

_RATIO = "energy_ratio"
_LABELS = {
    **{name: label for name, label in NAMES.items() if name != _RATIO},
    **{colour: f"{NAMES[_RATIO]}, {colour}" for colour in ("red", "green", "blue")},
    "ground_truth": "true lights",
    "estimate": "estimated lights",
    "missed": "missed lights",
    "extra": "extra lights",
}
"""Numbers that the table shows, of all that `compare_maps` finds."""


class Projection(enum.StrEnum):
    """Values of --projection."""

    latlong = "latlong"
    cube = "cube"
    ball = "ball"
    angular = "angular"


_PROJECTIONS: dict[Projection, type[Cube | MirrorBall | AngularMap]] = {
    Projection.cube: Cube,
    Projection.ball: MirrorBall,
    Projection.angular: AngularMap,
}


class Protocol(enum.StrEnum):
    """Values of --protocol; each is also the name of its function and of its results in JSON."""

    three_spheres = "three-spheres"
    relighting = "relight"


def evaluate(
    context: typer.Context,
    estimate: Annotated[Path, typer.Argument(metavar="ESTIMATE", help="The map to judge.")],
    truth: Annotated[Path, typer.Argument(metavar="TRUTH", help="The true map.")],
    coverage: Annotated[
        Path | None,
        typer.Option(help="The run's coverage.exr: splits errors into seen and unseen parts."),
    ] = None,
    rows: Annotated[
        RowConvention,
        typer.Option(help="Rows of all files: corner-aligned as in Mitsuba, or pixel-centred."),
    ] = RowConvention.corner,
    projection: Annotated[
        Projection | None,
        typer.Option(
            help="Kind of the files that are not 2:1: a latlong map of another shape, a cube map, "
            "a mirror ball or an angular map."
        ),
    ] = None,
    protocol: Annotated[
        list[Protocol] | None,
        typer.Option(
            metavar="|".join(Protocol),
            help="Also compare objects lit by both maps; may be given several times.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        panelled(
            *("Output", "-o", "--output"),
            metavar="PAGE",
            help="Also show both maps on an HTML page, e.g. evaluation.html.",
        ),
    ] = None,
    as_json: Annotated[bool, panelled("Output", "--json", help="Print JSON.")] = False,
    trust_input: TrustInput = False,
) -> None:
    """Measure how far one environment map is from another.

    Maps are compared at TRUTH's size; others are resampled to it, keeping their integral.

    Examples:
        envmap-inverse evaluate run/envmap.exr true.exr --coverage run/coverage.exr
        envmap-inverse evaluate run/envmap.exr true.exr --protocol relight -o page.html
    """
    faults = faults_of(context)
    faults.attempt(check_page, output)
    report_if_incomplete(context)
    with stage("Reading maps"):
        files = dict.fromkeys(given_files(estimate, truth, coverage))
        if not (trust_input or read_apart(faults, None, files)):
            faults.report()
        true_map: Any = faults.attempt(_read_radiance, truth, projection)
        estimated: Any = faults.attempt(_read_radiance, estimate, projection)
        strength = faults.attempt(_read_coverage, coverage, projection)
        faults.report()
    size = np.shape(true_map)[:2]
    true_map, estimated = (_fitted(texels, size, rows) for texels in (true_map, estimated))
    seen = None
    if strength is not None:
        seen = _fitted(np.any(strength > 0, axis=2)[..., None], size, rows) > 0.5
    results = compare_maps(estimated, true_map, seen)
    with nullcontext() if is_watched() else watched_by(PlainProgress(note)):
        protocols = {
            chosen.name: _run_protocol(chosen, estimated, true_map) for chosen in protocol or ()
        }
    if as_json:
        say(to_json({**results, **protocols}, indent=2))
    else:
        say_table(_metrics_table(results, f"{estimate} against {truth}, {size[1]} x {size[0]}"))
        for name, objects in protocols.items():
            say_table(_protocol_table(objects, name.replace("_", " ")))
    if output is None:
        return
    options = {
        "coverage": coverage,
        "rows": rows.value,
        "projection": projection and projection.value,
        "protocol": protocol or None,
    }
    with stage(f"Writing {output.name}"):
        page = write_evaluation(
            output,
            estimate,
            texels=np.asarray(estimated, np.float32),
            ground_truth=np.asarray(true_map, np.float32),
            coverage=None if strength is None or seen is None else _shown(strength, seen, rows),
            metrics=results,
            protocols=protocols,
            settings={"estimate": str(estimate), "truth": str(truth), **_given(options)},
            command=_command(estimate, truth, output, options),
        )
    if not as_json:
        say(f"report in {page}")


def _read_coverage(path: Path | None, projection: Projection | None) -> Any:
    return None if path is None else _as_latlong(path, read_map(path), projection)


def _as_latlong(
    path: Path, image: NDArray[np.float32], projection: Projection | None
) -> NDArray[np.float32]:
    """Convert a file's image to a latlong map; at 2:1 it is one, whatever --projection says.

    Raises:
        InputError: if the image is not 2:1, and --projection is not given or does not fit.
    """
    height, width, _ = image.shape
    if width in {2 * height, 2 * height - 2}:  # with or without a row for each pole
        return image
    if projection is None:
        raise InputError(
            f"{path}: is {width} x {height}, not 2:1 as a latlong map; say what it is with "
            f"--projection {'|'.join(Projection)}"
        )
    if projection == Projection.latlong:
        return image
    try:
        given = _PROJECTIONS[projection](height, width)
    except InputError as error:
        raise InputError(f"{path}: --projection {projection}: {error}") from None
    width = max(4, given.detail)
    return reproject(image, given, Latlong(width // 2, width))


def _read_radiance(path: Path, projection: Projection | None) -> Any:
    texels = _as_latlong(path, read_map(path), projection)
    negative = (texels < 0).mean()
    if negative > 0:
        warnings.warn(
            f"{path}: {100 * negative:.3g} % of the values are negative; logarithms, angles, PSNR, "
            "lights and protocols count them as 0",
            stacklevel=1,
        )
    return texels


def _fitted(
    texels: NDArray[Any], size: tuple[int, ...], rows: RowConvention
) -> NDArray[np.floating[Any]]:
    """Resample a map to a size (height, width) with corner-aligned rows."""
    if texels.shape[:2] == size and rows == RowConvention.corner:
        return texels
    return resample(texels, *size, rows=rows.value)


def _shown(
    strength: NDArray[np.float32], seen: NDArray[np.bool_], rows: RowConvention
) -> NDArray[np.float32]:
    """Resample the coverage to the size of the maps, with 0 where they count as unseen."""
    fitted = np.maximum(_fitted(strength, seen.shape[:2], rows), np.finfo(np.float32).tiny)
    return np.where(seen, fitted, 0).astype(np.float32)


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: [str(item) for item in value] if isinstance(value, list) else str(value)
        for name, value in options.items()
        if value is not None
    }


def _command(estimate: Path, truth: Path, output: Path, options: Mapping[str, Any]) -> str:
    """The command that repeats the evaluation."""
    words = ["envmap-inverse", "evaluate", str(estimate), str(truth), "-o", str(output)]
    for name, value in _given(options).items():
        for item in value if isinstance(value, list) else [value]:
            words += [f"--{name}", item]
    return shlex.join(words)


def _run_protocol(
    protocol: Protocol, estimated: ArrayLike, true_map: ArrayLike
) -> dict[str, dict[str, float]]:
    run = {Protocol.three_spheres: three_spheres, Protocol.relighting: relighting}[protocol]
    return run(np.maximum(estimated, 0), np.maximum(true_map, 0))


def _metrics_table(results: Mapping[str, Any], title: str) -> Table:
    """A row for each error; columns for the sphere and, with a coverage, its two parts."""
    regions = {"sphere": results}
    for name in ("seen", "unseen"):
        if name in results:
            regions[f"{name} ({100 * results[name]['share']:.1f} %)"] = results[name]
    columns = {name: _flat(errors) for name, errors in regions.items()}
    rows = {
        label: [column.get(key) for column in columns.values()] for key, label in _LABELS.items()
    }
    return _table(title, columns, rows)


def _flat(errors: Mapping[str, Any]) -> dict[str, Any]:
    channels = zip(("red", "green", "blue"), errors.get("energy_ratio", ()), strict=False)
    return {**errors, **dict(channels), **errors.get("lights", {})}


def _protocol_table(objects: Mapping[str, Mapping[str, float]], title: str) -> Table:
    """A row for each object, a column for each error."""
    names = list(next(iter(objects.values())))
    rows = {name: [errors[key] for key in names] for name, errors in objects.items()}
    return _table(title, [name.replace("_", " ") for name in names], rows)


def _table(title: str, columns: Iterable[str], rows: Mapping[str, Sequence[float | None]]) -> Table:
    table = Table(title=title)
    table.add_column(no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right")
    for label, numbers in rows.items():
        table.add_row(label, *("-" if number is None else f"{number:.4g}" for number in numbers))
    return table
