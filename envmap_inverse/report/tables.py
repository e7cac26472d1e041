"""The numbers and words of the page, for any number of runs."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.metrics import NAMES
from envmap_inverse.report.comparing import differing
from envmap_inverse.report.figures import key_figures
from envmap_inverse.report.matching import light_numbers
from envmap_inverse.report.numbers import number
from envmap_inverse.run.reading import Run
from envmap_inverse.run.summary import few_numbers_in_words, fit_in_words
from envmap_inverse.sphere.latlong import texel_solid_angles
from envmap_inverse.sphere.lights import Lights, find_lights

__all__ = [
    "QUANTITIES",
    "Light",
    "Table",
    "by_name",
    "fit",
    "glance",
    "history",
    "in_a_sentence",
    "is_clipped",
    "lights",
    "metrics",
    "names",
    "protocols",
    "refined",
    "settings",
    "subtitle",
    "versions",
]

METRIC_NAMES = {
    **NAMES,
    "ground_truth": "true",
    "estimate": "found",
    "share": "share of the sphere",
    "rmse_per_pixel": "RMSE per pixel",
    "rmse_per_channel": "RMSE per channel",
    "normalized_rmse": "normalized RMSE",
}
MAX_LIGHTS = 5
MAX_LISTED = 8
"""Values of a setting, such as names of pictures, of which all are shown."""
QUANTITIES = {"coverage": "coverage", "deviation": "standard deviation"}
GROUPS = ("seen", "unseen")
UNSET: tuple[Any, ...] = (None, False, "", [])
"""Values of options that ask for nothing."""
HISTORY_ROWS = 12


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of text.

    Attributes:
        columns: headings of the columns.
        rows: heading of each row, and its cells.
        spans: headings above the columns' own, and how many columns each one heads.
        marked: headings of the rows whose cells differ where they might not.
    """

    columns: list[str]
    rows: list[tuple[str, list[str]]]
    spans: Sequence[tuple[str, int]] = ()
    marked: Collection[str] = ()


class Light(NamedTuple):
    """A light of a map.

    Attributes:
        number: the same for a true light and the recovered one that matches it.
        azimuth: degrees from 0 to 360, growing along a row; 0 is the map's -z, 90 its +x.
        elevation: degrees above the horizon.
        solid_angle: steradians.
        irradiance: W/m^2 of RGB.
        share: share of the map's energy.
    """

    number: int
    azimuth: float
    elevation: float
    solid_angle: float
    irradiance: NDArray[np.float64]
    share: float


class Protocol(NamedTuple):
    """Errors of objects that both maps light.

    Attributes:
        title: name of the protocol.
        note: what the table shows.
        table: a row per object.
    """

    title: str
    note: str
    table: Table


def names(runs: Sequence[Run]) -> list[str]:
    """Name each run by its optimizer, or by its folder if two runs have the same optimizer."""
    folders = [run.path.resolve() for run in runs]
    if len(runs) == 1:
        return [folders[0].name if runs[0].pictures else str(runs[0].path)]
    optimizers = [_optimizer(run) for run in runs]
    if len(set(optimizers)) == len(runs):
        return optimizers
    shared = Path(os.path.commonpath(folders))
    above = shared.parent if shared in folders else shared
    return [str(folder.relative_to(above)) for folder in folders]


def subtitle(run: Run) -> str:
    """One line about a run: what was done to what."""
    chosen, status = run.summary["settings"], run.summary["status"]
    rows, columns, _ = run.envmap.shape
    if not run.pictures:
        truth = Path(chosen["truth"]).name
        return f"A map against the true one, {truth}, at {columns} × {rows} texels."
    height, width, _ = run.pictures[0][0].shape
    count = len(run.summary.get("exposures") or [1])
    pictures = "a picture" if count == 1 else f"{count} pictures"
    unnamed = "a ball" if "photos" in chosen else "the bundled bunny"
    scene = Path(chosen["scene"]).name if "scene" in chosen else unnamed
    return (
        f"A map of {columns} × {rows} texels from {pictures} of {width} × {height} pixels of "
        f"{scene}, by {_optimizer(run)} in "
        f"{number(run.summary['iterations'])} iterations"
        f"{'' if status == 'done' else f', which ended early: {status}'}."
    )


def fit(run: Run) -> str:
    """Whether the scene and the map explain the pictures, as a sentence; empty if unknown."""
    found = run.summary.get("fit")
    if not found:
        return ""
    return in_a_sentence(fit_in_words(found))


def in_a_sentence(words: str) -> str:
    """Words of the terminal with a capital letter, a full stop and signs as in print."""
    end = "" if words.endswith(".") else "."
    return f"{words[0].upper()}{words[1:]}{end}".replace("+-", "±")


def few_numbers(run: Run) -> list[str]:
    """Which few numbers were solved for in place of texels, and those of sun and sky."""
    return list(map(in_a_sentence, few_numbers_in_words(run.summary)))


def glance(runs: Sequence[Run], names: Sequence[str]) -> Table:
    """The key figures of several runs."""
    found = [dict(key_figures(run)) for run in runs]
    labels = dict.fromkeys(label for figures in found for label in figures)
    rows = [(label, [figures.get(label, "") for figures in found]) for label in labels]
    return Table(columns=list(names), rows=rows)


def is_clipped(runs: Sequence[Run]) -> bool:
    """Whether references hold values that count only as bounds."""
    shares = [share for run in runs for share in run.summary.get("clipped_share", ())]
    return any(share["over"] for share in shares)


def metrics(runs: Sequence[Run], names: Sequence[str]) -> Table:
    """Errors of the maps; a column per run, or per part of the map that was measured and run."""
    found = [dict(_leaves(run.summary["metrics"])) for run in runs]
    keys = list(dict.fromkeys(key for cells in found for key in cells))
    parts = list(dict.fromkeys(_part(key)[0] for key in keys))
    labels = list(dict.fromkeys(_part(key)[1] for key in keys))
    by_place = [{_part(key): value for key, value in cells.items()} for cells in found]
    return Table(
        columns=list(names) * len(parts) if len(runs) > 1 else [part or "all" for part in parts],
        rows=[
            (label, [number(cells.get((part, label), "")) for part in parts for cells in by_place])
            for label in labels
        ],
        spans=[(part or "all", len(names)) for part in parts]
        if min(len(parts), len(runs)) > 1
        else (),
    )


def lights(texels: NDArray[np.float32], truth: NDArray[np.float32] | None = None) -> list[Light]:
    """The brightest lights of a map, and those that match the brightest ones of the true map."""
    found = _lights(texels)
    numbers = light_numbers(found.directions, None if truth is None else _lights(truth).directions)
    x, y, z = found.directions.T
    columns = zip(
        numbers,
        np.degrees(np.arctan2(x, -z)) % 360,
        np.degrees(np.arcsin(np.clip(y, -1, 1))),
        found.solid_angles,
        found.irradiances,
        found.shares,
        strict=True,
    )
    all_lights = [Light(*light) for light in columns]
    shown = [
        light
        for rank, light in enumerate(all_lights)
        if rank < MAX_LIGHTS or light.number <= MAX_LIGHTS
    ]
    return sorted(shown, key=lambda light: light.number)


def _lights(texels: NDArray[np.float32]) -> Lights:
    return find_lights(texels, texel_solid_angles(*texels.shape[:2]))


def protocols(run: Run) -> list[Protocol]:
    """Errors of objects lit by both maps, for each protocol that was asked for."""
    found = []
    for name, objects in run.summary.get("protocols", {}).items():
        errors = list(dict.fromkeys(key for measured in objects.values() for key in measured))
        rows = [
            (label.replace("_", " "), [number(measured.get(key)) for key in errors])
            for label, measured in objects.items()
        ]
        columns = [METRIC_NAMES.get(error, error.replace("_", " ")) for error in errors]
        found.append(
            Protocol(
                title=name.replace("_", " ").capitalize(),
                note="Objects lit by the map against the same lit by the true one",
                table=Table(columns=columns, rows=rows),
            )
        )
    return found


def refined(run: Run) -> Table | None:
    """The numbers of the scene that a run refined; None if there are none."""
    found = run.summary.get("refined")
    if not found:
        return None
    columns = ["before", "after", "deviation", "unit"]
    rows = [(name, [number(each[key]) for key in columns]) for name, each in found.items()]
    return Table(columns=columns, rows=rows)


def settings(runs: Sequence[Run], names: Sequence[str]) -> Table:
    """The options that a run names, those that differ first."""
    return by_name([run.summary["settings"] for run in runs], names)


def versions(runs: Sequence[Run], names: Sequence[str]) -> Table:
    """The versions of the software that made the runs."""
    return by_name([run.summary["versions"] for run in runs], names)


def history(run: Run) -> Table:
    """A dozen lines of the history."""
    last = len(run.history) - 1
    count = min(HISTORY_ROWS, last + 1)
    shown = [run.history[round(k * last / max(count - 1, 1))] for k in range(count)]
    columns = ["loss", "error", "seconds"]
    return Table(
        columns=columns,
        rows=[(str(line["index"]), [number(line[key]) for key in columns]) for line in shown],
    )


def _optimizer(run: Run) -> str:
    """The name of a run's optimizer, without its keys."""
    return str(run.summary["settings"].get("optimizer") or "transport").partition(":")[0]


def by_name(mappings: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Table:
    """Values by name, a column for each mapping, without what no mapping has a value for."""
    marked = differing(mappings)
    keys = dict.fromkeys(
        key for mapping in mappings for key, value in mapping.items() if value not in UNSET
    )
    rows = [
        (key.replace("_", " "), [_words(mapping.get(key)) for mapping in mappings])
        for key in sorted(keys, key=lambda key: key not in marked)
    ]
    named = {key.replace("_", " ") for key in marked}
    return Table(columns=list(names), rows=rows, marked=named)


def _words(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list) and len(value) > MAX_LISTED:
        return _words([*value[: MAX_LISTED // 2], f"... {len(value)} in all ...", value[-1]])
    if isinstance(value, list):
        return "\n".join(map(_words, value))
    return value if isinstance(value, str) else json.dumps(value)


def _leaves(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[Any, Any]]:
    """Every value that is not itself a mapping, with its path."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def _part(path: tuple[str, ...]) -> tuple[str, str]:
    """The part of the map where a metric was measured ("" for the whole), and the metric's name."""
    part = next((key for key in path if key in GROUPS), "")
    keys = [METRIC_NAMES.get(key, key.replace("_", " ")) for key in path if key not in GROUPS]
    return part, ", ".join(keys)
